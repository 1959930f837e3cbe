namespace NotebookLib.Training;

/// <summary>Why a training stops: at once where a process is alone; ranks stop together, where all of them know of the wish.</summary>
/// <param name="control">Takes the wish of this process.</param>
/// <param name="isShared">Whether there are other ranks.</param>
internal sealed class AgreedStop(TrainingControl control, bool isShared)
{
    private string? _agreed;

    /// <summary>Whether this process was asked to stop.</summary>
    public bool IsWished => control.StopReason is not null;

    /// <summary>Why to stop now; null to go on.</summary>
    public string? Reason => isShared ? _agreed : control.StopReason;

    /// <summary>All ranks know that one of them was asked to.</summary>
    public void Agree() => _agreed ??= control.StopReason ?? "another rank was asked to stop";
}
