using NotebookRunner.Documents;
using NotebookRunner.Kernel;
using NotebookRunner.Parameters;

namespace NotebookRunner.Running;

/// <summary>How far a cell, or the whole run, has come.</summary>
internal enum RunStatus
{
    /// <summary>Not reached.</summary>
    NotRun,

    /// <summary>At work.</summary>
    Running,

    /// <summary>Ended well.</summary>
    Ok,

    /// <summary>Ended with an error, or its process died.</summary>
    Failed,

    /// <summary>Stopped because it took longer than allowed.</summary>
    TimedOut,

    /// <summary>Stopped because somebody asked for it.</summary>
    Interrupted,
}

/// <summary>A cell and what became of it.</summary>
internal sealed class CellState(int number, string name, NotebookCell cell, string source)
{
    /// <summary>From 1.</summary>
    public int Number { get; } = number;

    /// <summary>The heading above it, or its first line.</summary>
    public string Name { get; } = name;

    /// <summary>The cell as the file has it.</summary>
    public NotebookCell Cell { get; } = cell;

    /// <summary>What is run: the cell's text with parameters set.</summary>
    public string Source { get; } = source;

    /// <summary>What to answer when the cell asks the reader for something, by prompt.</summary>
    public IReadOnlyDictionary<string, string> Answers { get; init; } = new Dictionary<string, string>();

    /// <summary>The same in every run of this notebook.</summary>
    public string Id { get; } = CellNames.Id(number, cell);

    public RunStatus Status { get; set; } = cell.IsMarkdown ? RunStatus.Ok : RunStatus.NotRun;

    public double Seconds { get; set; }

    /// <summary>What it showed, in order.</summary>
    public CellOutputs Outputs { get; } = new();

    public CellError? Error { get; set; }

    /// <summary>The file's line on which the error happened; 0 when unknown.</summary>
    public int ErrorLine => Error is { Line: > 0 } error && Cell.Line > 0 ? Cell.Line + error.Line - 1 : 0;
}

/// <summary>Everything that a report tells about a run.</summary>
internal sealed class RunState
{
    /// <summary>The notebook's file name without folder.</summary>
    public required string NotebookName { get; init; }

    /// <summary>The file, as a full path.</summary>
    public required string NotebookPath { get; init; }

    /// <summary>The same for every run of the same cells.</summary>
    public required string NotebookHash { get; init; }

    /// <summary>Its cells.</summary>
    public required IReadOnlyList<CellState> Cells { get; init; }

    /// <summary>Its parameters with the values of this run.</summary>
    public required IReadOnlyList<ParameterValue> Parameters { get; init; }

    /// <summary>What was answered where cells ask for passwords: never shown, never written.</summary>
    public IReadOnlyList<string> Passwords { get; init; } = [];

    /// <summary>Those that the command line set, as it said them.</summary>
    public IReadOnlyDictionary<string, string> Given { get; init; } = new Dictionary<string, string>();

    public required DateTimeOffset Started { get; init; }

    public RunStatus Status { get; set; } = RunStatus.NotRun;

    public double Seconds { get; set; }

    /// <summary>Names and versions of what took part.</summary>
    public SortedDictionary<string, string> Versions { get; } = new(StringComparer.Ordinal);

    /// <summary>What the notebook says its scores are, in its own order; empty when it says nothing.</summary>
    public IReadOnlyDictionary<string, double> Scores { get; set; } = new Dictionary<string, double>();

    /// <summary>What ran, in the notebook's own words: model and data that were really used; empty when it says nothing.</summary>
    public string About { get; set; } = "";

    /// <summary>What scores were counted on, by the first word of their names.</summary>
    public IReadOnlyDictionary<string, string> ScoreGroups { get; set; } = new Dictionary<string, string>();

    /// <summary>The scores under what they were counted on; those that belong to no group come last, under an empty title.</summary>
    public IReadOnlyList<(string Title, IReadOnlyList<(string Name, double Value)> Scores)> GroupedScores => ScoresFile.Grouped(Scores, ScoreGroups);

    public IReadOnlyList<CellState> CodeCells => [.. Cells.Where(cell => !cell.Cell.IsMarkdown)];

    /// <summary>How the run ended: as the first cell did that did not end well; a cell that was not reached means that somebody stopped it.</summary>
    public RunStatus Outcome => CodeCells.Select(cell => cell.Status).FirstOrDefault(status => status is not RunStatus.Ok, RunStatus.Ok) switch
    {
        RunStatus.NotRun => RunStatus.Interrupted,
        var status => status,
    };

    /// <summary>Takes what a running cell shows.</summary>
    public void Record(CellState cell, KernelEvent happened)
    {
        switch (happened)
        {
            case KernelEvent.StreamText text:
                cell.Outputs.Append(text);
                break;
            case KernelEvent.Displayed displayed:
                cell.Outputs.Add(displayed);
                break;
            case KernelEvent.Updated updated when !Cells.Any(any => any.Outputs.Update(updated)):
                // `display(x).Update(y)` comes under an id of its own: as in the editor it is shown as one more value.
                cell.Outputs.Add(new(updated.Id, updated.Data, IsResult: false));
                break;
        }
    }
}
