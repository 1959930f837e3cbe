using NotebookLib.Charts;
using NotebookLib.Html;
using NotebookLib.Platform;

namespace NotebookLib.Display;

/// <summary>
/// What a notebook's set-up cell ends with: a line that says what is loaded. In hosts whose page does not bring plotly.js it carries that script, once for all
/// charts of the notebook, so that they are still drawn when the saved notebook is opened again.
/// </summary>
public sealed class SetupView : HtmlView
{
    private readonly bool _carriesPlotly = AppContext.GetData(HostContract.PlotlySlot) is not true;

    /// <summary>
    /// Makes the view, takes over the script from the charts, and sees to it that the native libraries are there before a cell needs them. From here on an
    /// editor's kernel says of a cell that needs another's value which cell to run.
    /// </summary>
    /// <exception cref="PlatformNotSupportedException">They are missing or ask for a newer system; the message says what to install.</exception>
    public SetupView()
    {
        NativeLibraries.EnsureLoaded();
        CellLedger.Attach();
        if (_carriesPlotly)
        {
            PlotlyScript.CarriedElsewhere();
        }
    }

    /// <inheritdoc />
    public override string ToHtml() =>
        Markup.Fragment("nl-setup", $"<div class=\"nl-sub\">{Markup.Escape(ToText())}</div>") + (_carriesPlotly ? PlotlyScript.Element : "");

    /// <inheritdoc />
    public override string ToText() =>
        $"NotebookLib {Provenance.Version} is loaded, with TorchSharp "
            + $"{typeof(TorchSharp.torch).Assembly.GetName().Version?.ToString(3)}.";
}
