namespace NotebookLib.Display;

/// <summary>Something on a notebook's page that can still be changed.</summary>
public interface IDisplayHandle
{
    /// <summary>Replaces what is shown; callable from any thread. After the cell has ended a host may ignore it.</summary>
    /// <param name="content">The new content, of the mime type that it was shown with.</param>
    /// <param name="plainText">The same in plain text, for terminals and for readers without HTML; its last line serves as progress.</param>
    void Update(string content, string plainText = "");
}

/// <summary>A host that shows things in place: the project's runner, or Polyglot behind an adapter.</summary>
public interface INotebookHost
{
    /// <summary>Shows something that will change.</summary>
    /// <param name="mimeType">For instance <c>text/html</c>.</param>
    /// <param name="content">The first content.</param>
    /// <param name="plainText">The same in plain text; see <see cref="IDisplayHandle.Update"/>.</param>
    IDisplayHandle DisplayUpdatable(string mimeType, string content, string plainText = "");
}

/// <summary>
/// Where the library finds the host it runs in. The runner publishes itself in <see cref="AppContext"/> under <see cref="DataName"/> as a delegate
/// made of framework types only, so neither side refers to the other: (mime type, content, plain text) → update(content, plain text).
/// </summary>
public static class NotebookHost
{
    /// <summary>The name under which a host publishes its delegate with <see cref="AppContext.SetData"/>.</summary>
    public const string DataName = "NotebookHost.DisplayUpdatable";

    /// <summary>The runner's door, or null in any other host.</summary>
    public static INotebookHost? Current =>
        AppContext.GetData(DataName) is Func<string, string, string, Action<string, string>> display ? new PublishedHost(display) : null;

    private sealed class PublishedHost(Func<string, string, string, Action<string, string>> display) : INotebookHost
    {
        public IDisplayHandle DisplayUpdatable(string mimeType, string content, string plainText = "") =>
            new PublishedHandle(display(mimeType, content, plainText));
    }

    private sealed class PublishedHandle(Action<string, string> update) : IDisplayHandle
    {
        public void Update(string content, string plainText = "") => update(content, plainText);
    }
}
