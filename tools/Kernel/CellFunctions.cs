using Microsoft.AspNetCore.Html;
using Microsoft.DotNet.Interactive.Formatting;

// The namespace and the class are imported into every cell (`using static`), as Microsoft.DotNet.Interactive.Kernel is in the genuine kernel.
namespace NotebookRunner.Kernel;

/// <summary>What cells call by bare name, in this runner and in .NET Interactive alike.</summary>
public static class CellFunctions
{
    private static EventSink? _sink;
    private static int _lastId;

    /// <summary>Shows a value below the cell.</summary>
    /// <param name="value">Anything; rendered by the formatters of .NET Interactive.</param>
    /// <param name="mimeTypes">Mime types to render, or none for what the value prefers.</param>
    /// <returns>A handle that can replace what is shown.</returns>
#pragma warning disable IDE1006 // The genuine kernel spells these three so.
    public static DisplayedValue display(object? value, params string[] mimeTypes)
    {
        var id = NextId();
        Sink.Send(new KernelEvent.Displayed(id, ValueFormatting.Format(value, mimeTypes), IsResult: false));
        return new(id, mimeTypes);
    }

    /// <summary>Text that is HTML already.</summary>
    public static IHtmlContent HTML(string content) => new HtmlString(content);

    /// <summary>Shows a style sheet, which the whole page then obeys.</summary>
    public static void CSS(string content) => display(new HtmlString($"<style>{content}</style>"));
#pragma warning restore IDE1006

    internal static void Attach(EventSink sink) => _sink = sink;

    /// <summary>Shows content that is rendered already; the returned action replaces it. This is the door that the library finds (<c>NotebookLib.Display.NotebookHost</c>).</summary>
    internal static Action<string, string> DisplayUpdatable(string mimeType, string content, string plainText)
    {
        var id = NextId();
        Sink.Send(new KernelEvent.Displayed(id, Data(content, plainText), IsResult: false));
        return (newContent, newPlainText) => Sink.Send(new KernelEvent.Updated(id, Data(newContent, newPlainText)));

        Dictionary<string, string> Data(string text, string plain)
        {
            var data = new Dictionary<string, string> { [mimeType] = text };
            if (plain.Length > 0)
            {
                data[PlainTextFormatter.MimeType] = plain;
            }

            return data;
        }
    }

    internal static void Update(string id, object? value, string[] mimeTypes) =>
        Sink.Send(new KernelEvent.Updated(id, ValueFormatting.Format(value, mimeTypes)));

    private static EventSink Sink => _sink ?? throw new InvalidOperationException("Cells are shown only inside the runner's kernel process.");

    private static string NextId() => $"d{Interlocked.Increment(ref _lastId)}";
}

/// <summary>Something shown that can still be replaced.</summary>
public sealed class DisplayedValue
{
    private readonly string _id;
    private readonly string[] _mimeTypes;

    internal DisplayedValue(string id, string[] mimeTypes) => (_id, _mimeTypes) = (id, mimeTypes);

    /// <summary>Replaces what is shown, from any thread.</summary>
    public void Update(object? value) => CellFunctions.Update(_id, value, _mimeTypes);
}
