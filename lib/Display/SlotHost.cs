using System.Net;
using NotebookLib.Html;

namespace NotebookLib.Display;

/// <summary>A host that left a delegate in the data slot <see cref="NotebookHost.DataName"/>: only types of the runtime itself cross the border.</summary>
internal sealed class SlotHost(Func<string, string, string, Action<string, string>> show) : INotebookHost
{
    public bool CanUpdate => true;

    public static SlotHost? Find() => AppContext.GetData(NotebookHost.DataName) switch
    {
        null => null,
        Func<string, string, string, Action<string, string>> show => new(show),
        var other => throw new InvalidOperationException($"AppContext data {NotebookHost.DataName}: expected a Func<string, string, string, Action<string, string>>, "
            + $"found {other.GetType()}; see the remarks of {nameof(NotebookHost)}."),
    };

    public IDisplayHandle Show(object value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return value is HtmlView view
            ? new Handle(true, show("text/html", view.ToHtml(), view.ToText()))
            : new Handle(false, show("text/plain", Text(value), Text(value)));
    }

    private static string Text(object value) => value.ToString() ?? "";

    private sealed class Handle(bool isHtml, Action<string, string> update) : IDisplayHandle
    {
        public void Update(object value)
        {
            ArgumentNullException.ThrowIfNull(value);
            var content = !isHtml ? Text(value) : value is HtmlView view ? view.ToHtml() : $"<pre>{WebUtility.HtmlEncode(Text(value))}</pre>";
            update(content, Text(value));
        }
    }
}
