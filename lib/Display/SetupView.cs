using NotebookLib.Charts;
using NotebookLib.Html;

namespace NotebookLib.Display;

/// <summary>
/// What a notebook's set-up cell ends with: a line that says what is loaded. In hosts whose page does not bring plotly.js it carries that script, once for all charts
/// of the notebook, so that they are still drawn when the saved notebook is opened again.
/// </summary>
public sealed class SetupView : HtmlView
{
    private readonly bool _carriesPlotly = AppContext.GetData(PlotlyScript.EmbeddedByHost) is not true;

    /// <summary>Makes the view and takes over the script from the charts.</summary>
    public SetupView()
    {
        if (_carriesPlotly)
        {
            PlotlyScript.CarriedElsewhere();
        }
    }

    /// <inheritdoc />
    public override string ToHtml() => Markup.Fragment("nl-setup", $"<div class=\"nl-sub\">{Markup.Escape(ToText())}</div>") + (_carriesPlotly ? PlotlyScript.Element : "");

    /// <inheritdoc />
    public override string ToText() => $"NotebookLib {typeof(SetupView).Assembly.GetName().Version?.ToString(3)} is loaded, with TorchSharp {typeof(TorchSharp.torch).Assembly.GetName().Version?.ToString(3)}.";
}
