namespace NotebookLib.Tracking;

/// <summary>Reads the password of one machine from a netrc file, where W&amp;B's <c>wandb login</c> keeps the key.</summary>
internal static class Netrc
{
    private const int LargestFileBytes = 1 << 20;

    /// <summary>The file that the Python client would read: <c>NETRC</c>, else <c>~/.netrc</c> or <c>~/_netrc</c>.</summary>
    public static string? FindFile(Func<string, string?> environment)
    {
        if (environment("NETRC") is { Length: > 0 } given)
        {
            return given;
        }

        var home = environment("HOME") ?? environment("USERPROFILE");
        return string.IsNullOrEmpty(home)
            ? null
            : new[] { ".netrc", "_netrc" }.Select(name => Path.Combine(home, name)).FirstOrDefault(File.Exists);
    }

    /// <summary>The password for a host, or null when the file does not exist or does not name the host.</summary>
    /// <exception cref="InvalidDataException">The file is larger than 1 MiB: not a netrc.</exception>
    public static string? PasswordFor(string host, string? path)
    {
        if (path is null || !File.Exists(path))
        {
            return null;
        }

        if (new FileInfo(path).Length > LargestFileBytes)
        {
            throw new InvalidDataException($"netrc file {path}: expected at most {LargestFileBytes} bytes; is NETRC pointing at another file?");
        }

        return PasswordFor(host, Tokens(File.ReadAllText(path)));
    }

    private static string? PasswordFor(string host, IEnumerable<string> tokens)
    {
        string? machine = null, key = null;
        foreach (var token in tokens)
        {
            if (key is "machine")
            {
                machine = token;
            }
            else if (key is "password" && string.Equals(machine, host, StringComparison.OrdinalIgnoreCase))
            {
                return token;
            }

            key = key is null && token is "machine" or "login" or "password" or "account" ? token : null;
        }

        return null;
    }

    private static IEnumerable<string> Tokens(string text) => text
        .Split('\n')
        .Where(line => !line.TrimStart().StartsWith('#'))
        .SelectMany(line => line.Split([' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries));
}
