using NotebookLib.Platform;

namespace NotebookLib.Charts;

/// <summary>
/// plotly.js, which draws the charts in the browser, and the rule that puts it on a page once.
/// </summary>
/// <remarks>
/// A host that writes whole pages (the runner) embeds <see cref="Text"/> itself, once, and says so before the first cell:
/// <c>AppContext.SetData("NotebookHost.EmbedsPlotly", true)</c>. In any other host (Polyglot, Jupyter) no page includes it: there the set-up view carries it
/// (<see cref="Element"/>), or else the first chart that is shown; later outputs of the same page find it in <c>window.Plotly</c>.
/// </remarks>
internal static class PlotlyScript
{
    private static readonly Lazy<string> Loaded = new(PlotlyBridge.ScriptText);
    private static int s_isCarried;

    /// <summary>The script's text, 3.6 MB of UTF-8, MIT licence; holds no closing script tag. Version 2.28.0, as Plotly.NET 6.0.0 embeds it.</summary>
    public static string Text => Loaded.Value;

    /// <summary>
    /// A script element that defines <c>window.Plotly</c>, once, however often the element is run; hidden from module loaders (Jupyter's RequireJS would
    /// otherwise swallow the anonymous definition).
    /// </summary>
    public static string Element => $"<script>if(!window.Plotly){{(function(define,module,exports){{{Text}\n}}).call(window);}}</script>";

    /// <summary>True for the one caller in this process that has to carry the script: no host embeds it and nobody carried it before.</summary>
    internal static bool ShouldCarry() => AppContext.GetData(HostContract.PlotlySlot) is not true && Interlocked.Exchange(ref s_isCarried, 1) == 0;

    /// <summary>Another view carries the script: no chart has to.</summary>
    internal static void CarriedElsewhere() => Interlocked.Exchange(ref s_isCarried, 1);

    /// <summary>For tests: the next chart carries the script again.</summary>
    internal static void ForgetCarrier() => s_isCarried = 0;
}
