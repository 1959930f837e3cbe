using NotebookRunner.Running;

namespace NotebookRunner.Sweeps;

/// <summary>What a person sees while a sweep runs.</summary>
internal interface ISweepView
{
    /// <summary>A combination begins.</summary>
    /// <returns>The view that its run reports to.</returns>
    IRunView Begin(SweepPoint point, int number, int count, RunState run);

    /// <summary>A combination is over.</summary>
    void End(SweepResult result);
}
