using System.Text;
using NotebookLib.Hub;
using NotebookLib.Net;

namespace NotebookLib.Tracking;

/// <summary>Where the rows of a run go besides the local journal.</summary>
public enum TrackingMode
{
    /// <summary>To the W&amp;B server, in the background.</summary>
    Online,

    /// <summary>To the run's folder only; <see cref="RunSync"/> uploads it later.</summary>
    Offline,

    /// <summary>Nowhere: no folder, no network.</summary>
    Disabled,
}

/// <summary>What a run id that the server already knows means (<c>WANDB_RESUME</c>).</summary>
public enum ResumeMode
{
    /// <summary>Continue the run when it exists, else start it.</summary>
    Allow,

    /// <summary>Continue the run; a run that does not exist is refused.</summary>
    Must,

    /// <summary>Start the run; a run that exists is refused.</summary>
    Never,
}

/// <summary>Which models become artifacts (<c>WANDB_LOG_MODEL</c>, as the Hugging Face integration reads it).</summary>
public enum LogModel
{
    /// <summary>None.</summary>
    No,

    /// <summary>The final model, once.</summary>
    End,

    /// <summary>Each checkpoint, and the final model.</summary>
    Checkpoint,
}

/// <summary>
/// How a run is tracked. The defaults are W&amp;B's own; <see cref="TrackingEnvironment.Read"/> fills them from the environment as the Python client does.
/// </summary>
public sealed record TrackingSettings
{
    /// <summary>The public server.</summary>
    public const string PublicServer = "https://api.wandb.ai";

    /// <summary>Online, offline or disabled; null: online when there is a key, else offline.</summary>
    public TrackingMode? Mode { get; init; }

    /// <summary>The API key (<see cref="KeyOf"/>), or null.</summary>
    internal Secret? Key { get; init; }

    /// <summary>The Hub's token, which no row, line or file of the run may hold either.</summary>
    internal Secret? HubToken { get; init; } = HubSettings.TokenOfEnvironment();

    /// <summary>The API's address, without a path at its end.</summary>
    public string BaseUrl { get; init; } = PublicServer;

    /// <summary>The project that the run belongs to.</summary>
    public string Project { get; init; } = "uncategorized";

    /// <summary>User or team; null: the key's default entity.</summary>
    public string? Entity { get; init; }

    /// <summary>Groups runs in the table of runs.</summary>
    public string? Group { get; init; }

    /// <summary>The run's name in charts; null: the server makes one up.</summary>
    public string? Name { get; init; }

    /// <summary>A longer remark.</summary>
    public string? Notes { get; init; }

    /// <summary>For example "train" or "eval".</summary>
    public string? JobType { get; init; }

    /// <summary>Labels of the run.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>The run's id; null: a new random one.</summary>
    public string? RunId { get; init; }

    /// <summary>What an existing <see cref="RunId"/> means; null: it is refused.</summary>
    public ResumeMode? Resume { get; init; }

    /// <summary>The folder in which the folder "wandb" is made.</summary>
    public string Directory { get; init; } = ".";

    /// <summary>Which models become artifacts.</summary>
    public LogModel LogModel { get; init; }

    /// <summary>Whether System.Console is copied into the run's output.log.</summary>
    public bool CaptureConsole { get; init; }

    /// <summary>Seconds between two samples of the machine's state; 0: none.</summary>
    public double SystemMetricsSeconds { get; init; } = 15;

    /// <summary>Whether file_stream bodies are compressed when the server offers it (<c>WANDB_X_FILE_STREAM_NO_GZIP=false</c>).</summary>
    public bool Gzip { get; init; }

    /// <summary>Seconds between two requests with new rows.</summary>
    public double SendSeconds { get; init; } = 15;

    /// <summary>Seconds without progress after which finishing no longer waits for the upload; what is missing then is left to sync.</summary>
    public double FinishSeconds { get; init; } = 120;

    /// <summary>
    /// Seconds that finishing waits for a server that has not answered at all; one that did not come up during the training will hardly do so now.
    /// </summary>
    public double FirstAnswerSeconds { get; init; } = 20;

    /// <summary>Seconds until one request counts as lost.</summary>
    public double RequestSeconds { get; init; } = 60;

    /// <summary>Says what the user should know, once each: the mode, a refusal, an outage. Default: standard output.</summary>
    public Action<string> Notice { get; init; } = message => Console.Out.WriteLine("tracking: " + message);

    /// <summary>The mode that results from <see cref="Mode"/> and <see cref="Key"/>.</summary>
    public TrackingMode ResolvedMode => Mode ?? (Key is null ? TrackingMode.Offline : TrackingMode.Online);

    /// <summary>What no text of the run may hold.</summary>
    internal Secrets Secrets => new(Key, HubToken);

    /// <summary>Wraps a W&amp;B API key.</summary>
    /// <param name="text">The key, as W&amp;B's authorize page shows it.</param>
    /// <exception cref="ArgumentException">
    /// The key is shorter than 8 characters or holds others than letters, digits, - _ and dot; the message does not contain it.
    /// </exception>
    internal static Secret KeyOf(string text)
    {
        var key = text.Trim();
        // Characters that no escaping changes: so the key is found wherever somebody's text holds it.
        return key.Length < 8 || !key.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
            ? throw new ArgumentException(
                $"the W&B API key must be at least 8 letters, digits, - _ or dots, found {key.Length} characters; "
                + "copy it again from the server's /authorize page")
            : new Secret(key, "<WANDB_API_KEY>", "Basic", Convert.ToBase64String(Encoding.ASCII.GetBytes("api:" + key)));
    }

    /// <summary>Gathers every contradiction.</summary>
    /// <returns>One sentence per fault; empty when all is well.</returns>
    public IReadOnlyList<string> Validate()
    {
        List<string> faults = [];
        Add(Mode is TrackingMode.Online && Key is null, "mode online: no API key found; set WANDB_API_KEY, or WANDB_MODE=offline and sync later");
        Add(BaseUrlFault() is { } fault ? fault : null);
        Add(RunId is null ? null : RunFolder.FaultOfRunId(RunId));
        Add(Resume is ResumeMode.Must && RunId is null, "resume \"must\": expected a run id (WANDB_RUN_ID), found none");
        Add(string.IsNullOrWhiteSpace(Project) || Project.Length > 128 || Project.Any(c => "/\\#?%:".Contains(c, StringComparison.Ordinal)),
            $"project \"{Project}\": expected 1 to 128 characters without / \\ # ? % :");
        Add(SystemMetricsSeconds is not 0 and not (>= 0.1 and <= 86400),
            Invariant($"system metrics every {SystemMetricsSeconds} s: expected 0 (none) or 0.1 to 86400, for example 15"));
        Add(SendSeconds is not (>= 0.01 and <= 3600), Invariant($"send every {SendSeconds} s: expected 0.01 to 3600, for example 15"));
        Add(FinishSeconds is not (>= 0 and <= 86400), Invariant($"finish within {FinishSeconds} s: expected 0 to 86400, for example 120"));
        Add(FirstAnswerSeconds is not (>= 0 and <= 86400), Invariant($"first answer within {FirstAnswerSeconds} s: expected 0 to 86400, for example 20"));
        Add(RequestSeconds is not (>= 0.01 and <= 3600), Invariant($"request limit {RequestSeconds} s: expected 0.01 to 3600, for example 60"));
        return faults;

        void Add(object? found, string? sentence = null)
        {
            if (found is true or string)
            {
                faults.Add(sentence ?? (string)found);
            }
        }
    }

    private string? BaseUrlFault()
    {
        // A key in the address would travel into logs and links.
        var fine = Uri.TryCreate(BaseUrl, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url.UserInfo.Length == 0
            && url.Query.Length == 0;
        return fine ? null : "WANDB_BASE_URL: expected http(s)://host without user, password or query, for example https://api.wandb.ai";
    }
}
