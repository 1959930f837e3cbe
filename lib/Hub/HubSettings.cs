using NotebookLib.Net;

namespace NotebookLib.Hub;

/// <summary>Where the Hub is, who asks, and where files are kept.</summary>
internal sealed record HubSettings
{
    /// <summary>The public Hub.</summary>
    public const string PublicEndpoint = "https://huggingface.co";

    private const int LargestTokenFileBytes = 1 << 16;

    /// <summary>The Hub's address, without a slash at the end.</summary>
    public string Endpoint { get; init; } = PublicEndpoint;

    /// <summary>Proves who asks (<see cref="TokenOf"/>); null asks as anybody.</summary>
    public Secret? Token { get; init; }

    /// <summary>The folder of Hugging Face's own files, <c>~/.cache/huggingface</c>.</summary>
    public string HomeFolder { get; init; } = DefaultHome(Environment.GetEnvironmentVariable);

    /// <summary>Downloaded files, shared with Python; null is <c>hub</c> in <see cref="HomeFolder"/>.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>Take everything from the cache and send nothing.</summary>
    public bool IsOffline { get; init; }

    /// <summary>How often to try again what may pass: overload, server faults, broken connections.</summary>
    public int Tries { get; init; } = 6;

    /// <summary>The first wait before trying again, in seconds; each further one is twice as long, up to 30 times the first.</summary>
    public double RetrySeconds { get; init; } = 1;

    /// <summary>How long an answer may take to begin, in seconds.</summary>
    public double RequestSeconds { get; init; } = 30;

    /// <summary>How long a transfer may stand still, in seconds.</summary>
    public double StallSeconds { get; init; } = 60;

    /// <summary>
    /// Settings from HF_ENDPOINT, HF_TOKEN (or its older name HUGGING_FACE_HUB_TOKEN), HF_TOKEN_PATH, HF_HOME, XDG_CACHE_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE,
    /// as the Python client reads them.
    /// </summary>
    /// <exception cref="ArgumentException">A variable holds a value that means nothing; all such variables are named.</exception>
    public static HubSettings FromEnvironment() => Read(Environment.GetEnvironmentVariable);

    /// <summary>Wraps an access token.</summary>
    /// <param name="text">The token as the Hub gives it; line ends around it are dropped.</param>
    /// <exception cref="ArgumentException">It is empty, or no header can carry it; the message does not repeat it.</exception>
    public static Secret TokenOf(string text)
    {
        var token = text.Trim();
        return token.Length is 0 or > 4096 || token.Any(c => c is <= ' ' or > '~')
            ? throw new ArgumentException("HF_TOKEN: expected one word of visible ASCII characters such as hf_…; copy it again from the Hub's settings page")
            : new Secret(token, "<HF_TOKEN>");
    }

    /// <summary>The token that the Hub would be asked with, or null; one that cannot be read is none.</summary>
    internal static Secret? TokenOfEnvironment()
    {
        try
        {
            return FromEnvironment().Token;
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    internal string ResolvedCacheFolder => Path.GetFullPath(CacheFolder ?? Path.Combine(HomeFolder, "hub"));

    /// <summary>Checks everything at once.</summary>
    /// <exception cref="ArgumentException">Names every setting that is wrong, with its value.</exception>
    public void Validate()
    {
        List<string> faults = [];
        if (!Uri.TryCreate(Endpoint, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") || url.UserInfo.Length > 0 || url.Query.Length > 0)
        {
            faults.Add("HF_ENDPOINT (Endpoint): expected an address such as https://huggingface.co, without user, password or query");
        }

        AddIf(Tries is < 0 or > 100, $"{nameof(Tries)} is {Tries}; expected 0 to 100");
        AddIf(!(RetrySeconds is > 0 and <= 60), Invariant($"{nameof(RetrySeconds)} is {RetrySeconds}; expected more than 0 and at most 60"));
        AddIf(!(RequestSeconds is > 0 and <= 3600), Invariant($"{nameof(RequestSeconds)} is {RequestSeconds}; expected more than 0 and at most 3600"));
        AddIf(!(StallSeconds is > 0 and <= 3600), Invariant($"{nameof(StallSeconds)} is {StallSeconds}; expected more than 0 and at most 3600"));
        if (faults.Count > 0)
        {
            throw new ArgumentException("hub settings: " + string.Join("; ", faults));
        }

        void AddIf(bool isWrong, string fault)
        {
            if (isWrong)
            {
                faults.Add(fault);
            }
        }
    }

    /// <summary>Settings from variables and, for the token, from <c>$HF_HOME/token</c>.</summary>
    /// <param name="read">Looks up a variable.</param>
    /// <exception cref="ArgumentException">Variables hold values that mean nothing; all are named.</exception>
    internal static HubSettings Read(Func<string, string?> read)
    {
        List<string> faults = [];
        var home = DefaultHome(read);
        var settings = new HubSettings
        {
            Endpoint = (Text(read, "HF_ENDPOINT") ?? PublicEndpoint).TrimEnd('/'),
            HomeFolder = home,
            CacheFolder = Text(read, "HF_HUB_CACHE") is { } cache ? Expand(cache, read) : null,
            IsOffline = Switch(Text(read, "HF_HUB_OFFLINE"), faults),
            Token = TokenFrom(read, home, faults),
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
    private static string DefaultHome(Func<string, string?> read)
        => Text(read, "HF_HOME") is { } home ? Expand(home, read)
            : Path.Combine(Text(read, "XDG_CACHE_HOME") is { } cache ? Expand(cache, read) : Path.Combine(UserFolder(read), ".cache"), "huggingface");

    private static Secret? TokenFrom(Func<string, string?> read, string home, List<string> faults)
    {
        try
        {
            var file = Text(read, "HF_TOKEN_PATH") is { } path ? Expand(path, read) : Path.Combine(home, "token");
            return (Text(read, "HF_TOKEN") ?? Text(read, "HUGGING_FACE_HUB_TOKEN") ?? TokenFile(file)) is { } text ? TokenOf(text) : null;
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
