namespace NotebookLib.Training;

/// <summary>Tells all observers, and keeps any of them from harming the run.</summary>
internal sealed class Observers(IEnumerable<ITrainingObserver> observers)
{
    private readonly List<ITrainingObserver> _alive = [.. observers];

    /// <summary>What was noticed so far, for those who watch nothing.</summary>
    public List<string> Notices { get; } = [];

    public void Notice(string message)
    {
        Notices.Add(message);
        Tell(observer => observer.Noticed(message));
    }

    /// <summary>Writes in the middle of a run: a full disk is told, and the run goes on with what was written before.</summary>
    public bool TryWrite(string what, Action write)
    {
        try
        {
            write();
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Notice($"{what} could not be written: {error.Message} The older ones are whole; the run goes on.");
            return false;
        }
    }

    public void Tell(Action<ITrainingObserver> call)
    {
        foreach (var observer in _alive.ToArray())
        {
            try
            {
                call(observer);
            }
#pragma warning disable CA1031 // Whatever an observer throws, the training is worth more; the failure is told below.
            catch (Exception error)
#pragma warning restore CA1031
            {
                _alive.Remove(observer);
                Notice($"{observer.GetType().Name} failed and is not called any more: {error.GetType().Name}: {error.Message}");
            }
        }
    }
}
