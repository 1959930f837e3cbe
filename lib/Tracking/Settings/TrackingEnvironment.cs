using NotebookLib.Net;

namespace NotebookLib.Tracking;

/// <summary>Reads the variables that the Python client and the Hugging Face integration read.</summary>
internal static class TrackingEnvironment
{
    /// <summary>The original's project.</summary>
    public const string NotebookProject = "DeBERTa-v3-NER";

    private const int LargestNetrcBytes = 1 << 20;

    /// <summary>
    /// Settings of a notebook: "online", "offline" and "disabled" overrule <c>WANDB_MODE</c>, "auto" leaves it in force. Project, name and folder are the
    /// notebook's suggestions: <c>WANDB_PROJECT</c>, <c>WANDB_NAME</c> and <c>WANDB_DIR</c> overrule them, as they do with the Hugging Face integration. The
    /// console is kept.
    /// </summary>
    /// <param name="tracking">"auto", "online", "offline" or "disabled".</param>
    /// <param name="outputFolder">The notebook's output folder.</param>
    /// <param name="name">The run's name in charts, or null.</param>
    /// <param name="project">The project.</param>
    /// <param name="environment">Looks up a variable; default: the process's.</param>
    /// <exception cref="ArgumentException">The word or a variable means nothing; all faults are named.</exception>
    public static TrackingSettings ForNotebook(
        string tracking, string outputFolder, string? name = null, string project = NotebookProject, Func<string, string?>? environment = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(outputFolder);
        var read = environment ?? Environment.GetEnvironmentVariable;
        var mode = tracking switch
        {
            "auto" => (TrackingMode?)null,
            "online" => TrackingMode.Online,
            "offline" => TrackingMode.Offline,
            "disabled" => TrackingMode.Disabled,
            _ => throw new ArgumentException($"tracking: expected \"auto\", \"online\", \"offline\" or \"disabled\", found \"{tracking}\"", nameof(tracking)),
        };
        var settings = Read(read);
        return settings with
        {
            // Rank 0's run is everybody's.
            Mode = Training.Ranks.IsFirst ? mode ?? settings.Mode : TrackingMode.Disabled,
            Project = IsSet("WANDB_PROJECT") ? settings.Project : project,
            Name = settings.Name ?? name,
            Directory = IsSet("WANDB_DIR") ? settings.Directory : outputFolder,
            CaptureConsole = true,
        };

        bool IsSet(string variable) => !string.IsNullOrWhiteSpace(read(variable));
    }

    /// <summary>Settings from the environment and, for the key, from netrc.</summary>
    /// <param name="environment">Looks up a variable; default: the process's.</param>
    /// <exception cref="ArgumentException">A variable holds a value that means nothing; all such variables are named.</exception>
    public static TrackingSettings Read(Func<string, string?>? environment = null)
    {
        var read = environment ?? Environment.GetEnvironmentVariable;
        List<string> faults = [];
        var baseUrl = (Text("WANDB_BASE_URL") ?? TrackingSettings.PublicServer).TrimEnd('/');
        var settings = new TrackingSettings
        {
            Mode = Mode(Text("WANDB_MODE"), Text("WANDB_DISABLED"), faults),
            BaseUrl = baseUrl,
            Key = Key(Text("WANDB_API_KEY"), baseUrl, read, faults),
            Project = Text("WANDB_PROJECT") ?? new TrackingSettings().Project,
            Entity = Text("WANDB_ENTITY"),
            Group = Text("WANDB_RUN_GROUP"),
            Name = Text("WANDB_NAME"),
            Notes = Text("WANDB_NOTES"),
            JobType = Text("WANDB_JOB_TYPE"),
            Tags = Text("WANDB_TAGS")?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [],
            RunId = Text("WANDB_RUN_ID"),
            Resume = Resume(Text("WANDB_RESUME"), faults),
            Directory = Text("WANDB_DIR") ?? ".",
            LogModel = Model(Text("WANDB_LOG_MODEL"), faults),
            Gzip = Text("WANDB_X_FILE_STREAM_NO_GZIP") is "false" or "False" or "0",
        };
        return faults.Count == 0 ? settings : throw new ArgumentException("tracking settings: " + string.Join("; ", faults));

        string? Text(string name) => read(name)?.Trim() is { Length: > 0 } value ? value : null;
    }

    /// <summary>
    /// What no text may hold that leaves this process: W&amp;B's key (WANDB_API_KEY, netrc), the Hub's token (HF_TOKEN, HUGGING_FACE_HUB_TOKEN, its file), and
    /// what these variables hold though another wins over them, or they mean nothing.
    /// </summary>
    public static Secrets Secrets()
    {
        var named = new[] { "WANDB_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN" }
            .Select(name => new Secret(Environment.GetEnvironmentVariable(name)?.Trim() ?? "", $"<{name}>"));
        try
        {
            var settings = Read();
            return new([settings.Key, settings.HubToken, .. named]);
        }
        catch (Exception fault) when (fault is ArgumentException or IOException or UnauthorizedAccessException or InvalidDataException)
        {
            // Variables that mean nothing are told where a run is started.
            return new(named);
        }
    }

    private static TrackingMode? Mode(string? mode, string? disabled, List<string> faults)
    {
        if (disabled?.ToUpperInvariant() is "1" or "TRUE" or "ON" or "YES")
        {
            return TrackingMode.Disabled;
        }

        // "run" and "dryrun" are the names of wandb before 0.10, still accepted by the client.
        return mode switch
        {
            null => null,
            "online" or "run" => TrackingMode.Online,
            "offline" or "dryrun" => TrackingMode.Offline,
            "disabled" => TrackingMode.Disabled,
            _ => Fault<TrackingMode?>(faults, "WANDB_MODE", "online, offline or disabled", mode),
        };
    }

    private static ResumeMode? Resume(string? resume, List<string> faults) => resume switch
    {
        null => null,
        "allow" or "auto" or "true" or "True" => ResumeMode.Allow,
        "must" => ResumeMode.Must,
        "never" => ResumeMode.Never,
        _ => Fault<ResumeMode?>(faults, "WANDB_RESUME", "allow, must or never", resume),
    };

    private static LogModel Model(string? model, List<string> faults) => model?.ToUpperInvariant() switch
    {
        null or "FALSE" or "0" => LogModel.No,
        "END" or "TRUE" or "1" => LogModel.End,
        "CHECKPOINT" => LogModel.Checkpoint,
        _ => Fault<LogModel>(faults, "WANDB_LOG_MODEL", "false, end or checkpoint", model!),
    };

    private static Secret? Key(string? given, string baseUrl, Func<string, string?> read, List<string> faults)
    {
        var host = Uri.TryCreate(baseUrl, UriKind.Absolute, out var url) ? url.Host : "";
        var text = given ?? PasswordFor(host, NetrcFile(read));
        try
        {
            return text is null ? null : TrackingSettings.KeyOf(text);
        }
        catch (ArgumentException fault)
        {
            faults.Add(fault.Message);
            return null;
        }
    }

    private static T? Fault<T>(List<string> faults, string name, string expected, string found)
    {
        faults.Add($"{name}: expected {expected}, found \"{found}\"");
        return default;
    }

    /// <summary>The file that the Python client would read: <c>NETRC</c>, else <c>~/.netrc</c> or <c>~/_netrc</c>.</summary>
    private static string? NetrcFile(Func<string, string?> environment)
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
    private static string? PasswordFor(string host, string? path)
    {
        if (path is null || !File.Exists(path))
        {
            return null;
        }

        if (new FileInfo(path).Length > LargestNetrcBytes)
        {
            throw new InvalidDataException($"netrc file {path}: expected at most {LargestNetrcBytes} bytes; is NETRC pointing at another file?");
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
