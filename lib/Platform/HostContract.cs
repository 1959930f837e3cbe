namespace NotebookLib.Platform;

/// <summary>What the library and the host of a notebook, the runner, must agree on: both are compiled with this file.</summary>
internal static class HostContract
{
    /// <summary>The environment variable with the folder of the run's files, a full path; only the runner sets it.</summary>
    public const string OutputVariable = "NOTEBOOK_OUTPUT";

    /// <summary>The environment variable that says how the run goes on after a stop, as it is typed into a shell.</summary>
    public const string ResumeVariable = "NOTEBOOK_RESUME";

    /// <summary>The environment variable by which <c>mpirun</c> says how many ranks it started; the runner takes it from a process that works alone.</summary>
    public const string RanksVariable = "OMPI_COMM_WORLD_SIZE";

    /// <summary>The environment variable by which <c>mpirun</c> says which rank a process is.</summary>
    public const string RankVariable = "OMPI_COMM_WORLD_RANK";

    /// <summary>The environment variable with a hash of the notebook and its parameters, which has to be every rank's; only the runner sets it.</summary>
    public const string NotebookVariable = "NOTEBOOK_HASH";

    /// <summary>The slot of <see cref="AppContext"/> with the token that is cancelled when somebody asks to stop.</summary>
    public const string InterruptedSlot = "NotebookHost.Interrupted";

    /// <summary>The slot of <see cref="AppContext"/> that is <c>true</c> when the host's page brings plotly.js.</summary>
    public const string PlotlySlot = "NotebookHost.EmbedsPlotly";

    /// <summary>Begins a line of a view that is news: the runner tells it on its terminal too.</summary>
    public const string NewsMark = "› ";

    /// <summary>The file in the run's folder with what the notebook says its scores are: one JSON object, name → number.</summary>
    public const string ScoresName = "scores.json";

    /// <summary>
    /// The file that says what ran: one JSON object with <c>about</c>, a sentence, and <c>groups</c>, first word of scores' names → what these were counted on.
    /// </summary>
    public const string AboutName = "about.json";

    /// <summary>The file that says what became of the run.</summary>
    public const string RunName = "run.json";

    /// <summary>The file that a runner keeps locked in a run's folder for as long as it lives.</summary>
    public const string LockName = ".run.lock";
}
