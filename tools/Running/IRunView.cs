using NotebookRunner.Kernel;

namespace NotebookRunner.Running;

/// <summary>What a person sees while a notebook runs.</summary>
internal interface IRunView
{
    /// <summary>Does the work while the view is up.</summary>
    Task ShowWhileAsync(RunState run, Func<Task> work);

    /// <summary>A cell begins.</summary>
    void CellStarted(CellState cell);

    /// <summary>Something came from the running cell.</summary>
    void Happened(KernelEvent happened);

    /// <summary>Time passed.</summary>
    /// <param name="cell">The running cell.</param>
    /// <param name="elapsed">Since it began.</param>
    void Tick(CellState cell, TimeSpan elapsed);

    /// <summary>A cell is over.</summary>
    void CellEnded(CellState cell);

    /// <summary>A sentence about the run itself.</summary>
    void Notice(string text);
}
