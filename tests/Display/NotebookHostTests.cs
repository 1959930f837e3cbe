using NotebookLib.Display;
using NotebookLib.Html;
using NotebookLib.Platform;

namespace NotebookLib.Tests.Display;

[Collection(nameof(NotebookHostTests))]
[CollectionDefinition(nameof(NotebookHostTests), DisableParallelization = true)]
public class NotebookHostTests
{
    [Fact]
    public void A_delegate_in_the_data_slot_receives_views_as_html_and_their_updates()
    {
        var seen = new List<string>();
        Func<string, string, string, Action<string, string>> show = (mimeType, content, plainText) =>
        {
            seen.Add($"show {mimeType} {content} {plainText}");
            return (updated, updatedText) => seen.Add($"update {updated} {updatedText}");
        };
        AppContext.SetData(NotebookHost.DataName, show);
        try
        {
            Assert.True(NotebookHost.Current.CanUpdate);
            var handle = NotebookHost.Show(new Sample("one"));
            handle.Update(new Sample("two"));
            handle.Update("<3");
        }
        finally
        {
            AppContext.SetData(NotebookHost.DataName, null);
        }

        Assert.Equal(["show text/html <b>one</b> one", "update <b>two</b> two", "update <pre>&lt;3</pre> <3"], seen);
    }

    [Fact]
    public void A_wrong_value_in_the_data_slot_is_named()
    {
        AppContext.SetData(NotebookHost.DataName, "a string");
        try
        {
            var error = Assert.Throws<InvalidOperationException>(() => NotebookHost.Current);
            Assert.Contains("expected a Func<string, string, string, Action<string, string>>, found System.String", error.Message, StringComparison.Ordinal);
        }
        finally
        {
            AppContext.SetData(NotebookHost.DataName, null);
        }
    }

    [Fact]
    public void Without_a_host_values_become_lines_of_text()
    {
        Assert.IsType<TextHost>(NotebookHost.Current);
        using var lines = new StringWriter { NewLine = "\n" };
        var host = new TextHost(lines);

        host.Show(new Sample("one")).Update(new Sample("two"));

        Assert.False(host.CanUpdate);
        Assert.Equal("one\ntwo\n", lines.ToString());
    }

    [Fact]
    public void The_genuine_kernel_is_used_through_its_context()
    {
        using var cell = new Microsoft.DotNet.Interactive.KernelInvocationContext();
        Microsoft.DotNet.Interactive.KernelInvocationContext.Current = cell;
        var host = KernelHost.Find(typeof(Microsoft.DotNet.Interactive.KernelInvocationContext).Assembly);

        host!.Show("one").Update("two");

        Assert.Equal(["display one", "update two"], cell.Log);
    }

    [Fact]
    public void Outside_a_cell_there_is_no_kernel()
    {
        Microsoft.DotNet.Interactive.KernelInvocationContext.Current = null;

        Assert.Null(KernelHost.Find(typeof(Microsoft.DotNet.Interactive.KernelInvocationContext).Assembly));
        Assert.Null(KernelHost.Find(typeof(object).Assembly));
    }

    [Fact]
    public void The_stop_button_of_the_genuine_kernel_reaches_the_cell_that_runs_and_no_other()
    {
        var assembly = typeof(Microsoft.DotNet.Interactive.KernelInvocationContext).Assembly;
        using Microsoft.DotNet.Interactive.KernelInvocationContext first = new(), second = new();

        Microsoft.DotNet.Interactive.KernelInvocationContext.Current = first;
        var ofFirst = InteractiveKernel.StopToken(assembly);
        first.Cancel();
        Assert.True(ofFirst!.Value.IsCancellationRequested);
        Assert.True(InteractiveKernel.StopToken(assembly)!.Value.IsCancellationRequested);

        Microsoft.DotNet.Interactive.KernelInvocationContext.Current = second;
        Assert.False(InteractiveKernel.StopToken(assembly)!.Value.IsCancellationRequested);
    }

    [Fact]
    public void Work_that_outlives_its_cell_has_no_stop_button()
    {
        var assembly = typeof(Microsoft.DotNet.Interactive.KernelInvocationContext).Assembly;
        var ended = new Microsoft.DotNet.Interactive.KernelInvocationContext();
        Microsoft.DotNet.Interactive.KernelInvocationContext.Current = ended;
        ended.Dispose();

        Assert.Null(InteractiveKernel.StopToken(assembly));
        Microsoft.DotNet.Interactive.KernelInvocationContext.Current = null;
        Assert.Null(InteractiveKernel.StopToken(assembly));
        Assert.Null(InteractiveKernel.StopToken(typeof(object).Assembly));
    }

    [Fact]
    public void A_published_token_is_the_one_that_long_work_sees()
    {
        using var source = new CancellationTokenSource();
        AppContext.SetData(Interruption.DataName, source.Token);
        try
        {
            Assert.False(Interruption.Token.IsCancellationRequested);
            source.Cancel();
            Assert.True(Interruption.Token.IsCancellationRequested);
        }
        finally
        {
            AppContext.SetData(Interruption.DataName, null);
        }
    }

    [Fact]
    public void The_panel_says_at_once_that_stop_was_asked_for()
    {
        using var source = new CancellationTokenSource();
        using var ended = new CancellationTokenSource();
        AppContext.SetData(Interruption.DataName, source.Token);
        try
        {
            using var panel = new LivePanel(new TextHost(TextWriter.Null));
            panel.RunStarted(LivePanelTests.Summary, new());
            Assert.DoesNotContain("Stop was asked for", panel.View!.ToText(), StringComparison.Ordinal);
            source.Cancel();
            Assert.Contains($"keeps its state in {Path.GetFullPath("output")}", panel.View!.ToText(), StringComparison.Ordinal);

            AppContext.SetData(Interruption.DataName, ended.Token);
            panel.RunStarted(LivePanelTests.Summary, new());
            panel.RunFailed(new InvalidOperationException("no"));
            ended.Cancel();
            Assert.DoesNotContain("Stop was asked for", panel.View!.ToText(), StringComparison.Ordinal);
        }
        finally
        {
            AppContext.SetData(Interruption.DataName, null);
        }
    }

    private sealed class Sample(string text) : HtmlView
    {
        public override string ToHtml() => $"<b>{text}</b>";

        public override string ToText() => text;
    }
}
