namespace NotebookLib.Display;

/// <summary>Whatever shows this library's values while a cell runs: a notebook front end, the headless runner, or a console.</summary>
internal interface INotebookHost
{
    /// <summary>True when a shown value can be replaced in place; false where every update is another line.</summary>
    bool CanUpdate { get; }

    /// <summary>Shows a value now, without waiting for the cell to end.</summary>
    /// <param name="value">A view of this library, or anything else (then its <c>ToString()</c> is shown).</param>
    /// <returns>A handle to the place where it is shown.</returns>
    IDisplayHandle Show(object value);
}

/// <summary>A place in the output, whose content can be replaced. Safe to use from any thread.</summary>
public interface IDisplayHandle
{
    /// <summary>Replaces what is shown; where the host cannot, shows the new value below.</summary>
    void Update(object value);
}
