using NotebookRunner.Running;

namespace NotebookRunner.Sweeps;

/// <summary>What a person sees while a sweep runs.</summary>
internal interface ISweepView
{
    /// <summary>A combination begins.</summary>
    /// <returns>The view that its run reports to.</returns>
    IRunView Begin(SweepPoint point, int number, int count, RunState run);

    /// <summary>A combination is over.</summary>
    /// <param name="result">What came of it.</param>
    /// <param name="holder">The process that ran it; null for this one.</param>
    void End(SweepResult result, string? holder);

    /// <summary>Something else that a person may want to know.</summary>
    void Notice(string text);
}
