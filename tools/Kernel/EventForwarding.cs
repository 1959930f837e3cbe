using Microsoft.DotNet.Interactive.Events;
using GenuineEvent = Microsoft.DotNet.Interactive.Events.KernelEvent;

namespace NotebookRunner.Kernel;

/// <summary>What the kernels of .NET Interactive publish, as messages of ours.</summary>
internal static class EventForwarding
{
    /// <summary>Sends one event on; what no report shows is left out.</summary>
    public static void Forward(GenuineEvent happened, Action<KernelEvent> send)
    {
        switch (happened)
        {
            case StandardOutputValueProduced text:
                send(new KernelEvent.StreamText("stdout", TextOf(text)));
                break;
            case StandardErrorValueProduced text:
                send(new KernelEvent.StreamText("stderr", TextOf(text)));
                break;
            case DisplayedValueUpdated updated:
                send(new KernelEvent.Updated(updated.ValueId, DataOf(updated)));
                break;
            case DisplayEvent shown and (DisplayedValueProduced or ReturnValueProduced) when DataOf(shown) is { Count: > 0 } data:
                send(new KernelEvent.Displayed(shown.ValueId, data, IsResult: shown is ReturnValueProduced));
                break;
        }
    }

    private static string TextOf(DisplayEvent shown) => string.Concat(shown.FormattedValues.Select(value => value.Value));

    private static Dictionary<string, string> DataOf(DisplayEvent shown) =>
        shown.FormattedValues.Where(value => !value.SuppressDisplay).DistinctBy(value => value.MimeType)
            .ToDictionary(value => value.MimeType, value => value.Value);
}
