using System.Text.RegularExpressions;

namespace NotebookLib.Tests.Tracking.Captures;

/// <summary>The fields in which our client and W&amp;B's own may differ for the same run, and why. Everything else agrees, or a test fails.</summary>
internal static class LeftOut
{
    /// <summary>Patterns of paths in <see cref="ServerView"/>, each with its reason.</summary>
    public static IReadOnlyList<(Regex Path, string Why, string Only)> Fields { get; } =
    [
        Field(@"^run\.fields\.(host|program)$", "another machine, another program; ours without folders, which would name the user"),
        Field(@"^run\.fields\.debug$", "0.16.1 sends false, 0.31.0 and ours null"),
        Field(@"^run\.fields\.tags$", "0.31.0 sends an empty list on a resume, ours null: both leave the tags alone"),
        Field(@"^config\._wandb\.value\.(python_version|cli_version|framework|huggingface_version|is_jupyter_run|is_kaggle_kernel|start_time)$",
            "versions and circumstances of another client"),
        Field(@"^config\._wandb\.value\.t\.", "telemetry: which Python packages and features were used; ours has version (5) and platform (13)"),
        Field(@"^config\._wandb\.value\.e\.", "the machine's facts under a random id"),
        Field(@"^config\._wandb\.value\.m", "0.16.1 expands the pattern * into one entry per key, 0.31.0 and ours send the pattern"),
        Field(@"^(history\[\d+\]|summary|files\.wandb-summary\.json)\._(timestamp|runtime)$", "times"),
        Field(@"^(summary|files\.wandb-summary\.json)\._wandb\.runtime$", "times"),
        Field(@"^(summary|files\.wandb-summary\.json)\.none$", "0.16.1 keeps null values in the summary, 0.31.0 and ours leave them out"),
        Field(@"\.table\.(path|artifact_path|_latest_artifact_path)$",
            "a table's path holds the client's own counter (ours: the row's number), its addresses are random"),
        Field(@"\.table\.log_mode$", "new in 0.31.0"),
        Field(@"\.table\.(sha256|size)$", "0.16.1 writes blanks into the table's JSON, 0.31.0 and ours do not"),
        Field(@"^(files\.|uploaded.*)media/table/", "named by the counter and the hash of the table"),
        Field(@"^uploaded\[\d+\]$", "names of media files stand among the others; the set is compared without them"),
        Field(@"^events", "the machine's state; names are compared in their own test"),
        Field(@"^output\[\d+\]$", "begins with the time; text and mark are compared in their own test"),
        Field(@"^files\.requirements\.txt$", "our packages"),
        Field(@"^files\.(wandb-metadata\.json|diff\.patch|conda-environment\.yaml)", "the machine's facts"),
        Field(@"^files\.output\.log$", "0.16.1 batches standard output and error apart, so that their order is lost; 0.31.0's and ours are compared",
            only: "016"),
        Field(@"^artifacts\..*\.manifest\.contents\..*\.(local_path|skip_cache)$", "a path of the user's machine, which is nobody's business"),
        Field(@"^artifacts\.run-\w+-table:v0\.(digest|files|sent|manifest)", "blanks and order in the JSON of a table's artifact"),
    ];

    /// <summary>The reason why a field may differ from a client's, or null.</summary>
    /// <param name="path">The field.</param>
    /// <param name="capture">The capture: its name begins with the client's version.</param>
    public static string? Reason(string path, string capture)
        => Fields.FirstOrDefault(field => field.Path.IsMatch(path) && capture.StartsWith(field.Only, StringComparison.Ordinal)).Why;

    private static (Regex, string, string) Field(string pattern, string why, string only = "") =>
        (new Regex(pattern, RegexOptions.CultureInvariant), why, only);
}
