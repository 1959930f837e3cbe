using NotebookLib.Net;

namespace NotebookLib.Hub;

/// <summary>Reads the variables that huggingface_hub reads (its constants.py), with the same defaults.</summary>
internal static class HubEnvironment
{
    private const int LargestTokenFileBytes = 1 << 16;

    /// <summary>Settings from variables and, for the token, from <c>$HF_HOME/token</c>.</summary>
    /// <param name="read">Looks up a variable.</param>
    /// <exception cref="ArgumentException">Variables hold values that mean nothing; all are named.</exception>
    public static HubSettings Read(Func<string, string?> read)
    {
        List<string> faults = [];
        var home = DefaultHome(read);
        var settings = new HubSettings
        {
            Endpoint = (Text(read, "HF_ENDPOINT") ?? HubSettings.PublicEndpoint).TrimEnd('/'),
            HomeFolder = home,
            CacheFolder = Text(read, "HF_HUB_CACHE") is { } cache ? Expand(cache, read) : null,
            IsOffline = Switch(Text(read, "HF_HUB_OFFLINE"), faults),
            Token = Token(read, home, faults),
        };
        try
        {
            settings.Validate();
        }
        catch (ArgumentException fault)
        {
            faults.Add(fault.Message);
        }

        return faults.Count == 0 ? settings : throw new ArgumentException(string.Join("; ", faults));
    }

    /// <summary>HF_HOME, else <c>huggingface</c> in XDG_CACHE_HOME, else <c>~/.cache/huggingface</c>.</summary>
    public static string DefaultHome(Func<string, string?> read)
        => Text(read, "HF_HOME") is { } home ? Expand(home, read)
            : Path.Combine(Text(read, "XDG_CACHE_HOME") is { } cache ? Expand(cache, read) : Path.Combine(UserFolder(read), ".cache"), "huggingface");

    private static Secret? Token(Func<string, string?> read, string home, List<string> faults)
    {
        try
        {
            var file = Text(read, "HF_TOKEN_PATH") is { } path ? Expand(path, read) : Path.Combine(home, "token");
            return (Text(read, "HF_TOKEN") ?? Text(read, "HUGGING_FACE_HUB_TOKEN") ?? TokenFile(file)) is { } text ? HubSettings.TokenOf(text) : null;
        }
        catch (Exception fault) when (fault is ArgumentException or IOException or UnauthorizedAccessException)
        {
            faults.Add(fault.Message);
            return null;
        }
    }

    private static string? TokenFile(string path)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        return new FileInfo(path).Length <= LargestTokenFileBytes
            ? File.ReadAllText(path).Trim() is { Length: > 0 } text ? text : null
            : throw new ArgumentException($"{path}: expected a token of one line; the file is larger than {LargestTokenFileBytes} bytes");
    }

    private static bool Switch(string? value, List<string> faults)
    {
        switch (value?.ToUpperInvariant())
        {
            case "1" or "ON" or "YES" or "TRUE":
                return true;
            case null or "0" or "OFF" or "NO" or "FALSE":
                return false;
            default:
                faults.Add($"HF_HUB_OFFLINE: expected 1 or 0, found \"{value}\"");
                return false;
        }
    }

    private static string Expand(string path, Func<string, string?> read)
        => path == "~" || path.StartsWith("~/", StringComparison.Ordinal) ? Path.Join(UserFolder(read), path[1..]) : path;

    private static string UserFolder(Func<string, string?> read)
        => Text(read, "HOME") ?? Text(read, "USERPROFILE") ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);

    private static string? Text(Func<string, string?> read, string name) => read(name)?.Trim() is { Length: > 0 } value ? value : null;
}
