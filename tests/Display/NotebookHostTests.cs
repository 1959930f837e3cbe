using Microsoft.DotNet.Interactive;
using Microsoft.DotNet.Interactive.Commands;
using Microsoft.DotNet.Interactive.Events;
using NotebookLib.Display;
using NotebookLib.Html;
using NotebookLib.Platform;

namespace NotebookLib.Tests.Display;

[Collection(nameof(NotebookHostTests))]
[CollectionDefinition(nameof(NotebookHostTests), DisableParallelization = true)]
public class NotebookHostTests
{
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
    public async Task The_genuine_kernel_shows_values_and_replaces_them()
    {
        var shown = new List<string>();
        using var kernel = new CellKernel(_ => NotebookHost.Show(new Sample("one")).Update(new Sample("two")));
        kernel.KernelEvents.Subscribe(happened =>
            shown.AddRange(happened is DisplayEvent view
                ? view.FormattedValues.Select(value => $"{view.GetType().Name} {view.ValueId.Length} {value.Value}") : []));

        await kernel.SendAsync(new SubmitCode("a cell"), TestContext.Current.CancellationToken);

        Assert.Equal(["DisplayedValueProduced 36 <b>one</b>", "DisplayedValueProduced 36 one", "DisplayedValueUpdated 36 <b>two</b>", "DisplayedValueUpdated "
            + "36 two"], shown);
    }

    [Fact]
    public void Outside_a_cell_there_is_no_kernel()
    {
        Assert.Null(InteractiveHost.Find(typeof(KernelInvocationContext).Assembly));
        Assert.Null(InteractiveHost.Find(typeof(object).Assembly));
        Assert.Null(InteractiveKernel.StopToken(typeof(KernelInvocationContext).Assembly));
        Assert.Null(InteractiveKernel.StopToken(typeof(object).Assembly));
    }

    [Fact]
    public async Task The_stop_button_of_the_genuine_kernel_reaches_the_cell_that_runs_and_no_other()
    {
        using var button = new CancellationTokenSource();
        var seen = new List<bool>();
        using var kernel = new CellKernel(context =>
        {
            var token = InteractiveKernel.StopToken(typeof(KernelInvocationContext).Assembly)!.Value;
            if (seen.Count == 0)
            {
                button.Cancel();
            }

            seen.Add(token.IsCancellationRequested);
        });

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => kernel.SendAsync(new SubmitCode("stopped"), button.Token));
        await kernel.SendAsync(new SubmitCode("the next one"), TestContext.Current.CancellationToken);

        Assert.Equal([true, false], seen);
    }

    [Fact]
    public async Task Work_that_outlives_its_cell_has_no_stop_button()
    {
        using var ended = new ManualResetEventSlim();
        Task<CancellationToken?>? work = null;
        using var kernel = new CellKernel(_ => work = Task.Run(() =>
        {
            ended.Wait();
            return InteractiveKernel.StopToken(typeof(KernelInvocationContext).Assembly);
        }));

        await kernel.SendAsync(new SubmitCode("leaves work behind"), TestContext.Current.CancellationToken);
        ended.Set();

        Assert.Null(await work!);
    }

    [Fact]
    public void A_published_token_is_the_one_that_long_work_sees()
    {
        using var source = new CancellationTokenSource();
        AppContext.SetData(HostContract.InterruptedSlot, source.Token);
        try
        {
            Assert.False(Interruption.Token.IsCancellationRequested);
            source.Cancel();
            Assert.True(Interruption.Token.IsCancellationRequested);
        }
        finally
        {
            AppContext.SetData(HostContract.InterruptedSlot, null);
        }
    }

    [Fact]
    public void The_panel_says_at_once_that_stop_was_asked_for()
    {
        using var source = new CancellationTokenSource();
        using var ended = new CancellationTokenSource();
        AppContext.SetData(HostContract.InterruptedSlot, source.Token);
        try
        {
            using var panel = new LivePanel("", new TextHost(TextWriter.Null));
            panel.RunStarted(LivePanelTests.Summary, new());
            Assert.DoesNotContain("Stop was asked for", panel.View!.ToText(), StringComparison.Ordinal);
            source.Cancel();
            Assert.Contains($"keeps its state in {Path.GetFullPath("output")}", panel.View!.ToText(), StringComparison.Ordinal);

            AppContext.SetData(HostContract.InterruptedSlot, ended.Token);
            panel.RunStarted(LivePanelTests.Summary, new());
            panel.RunFailed(new InvalidOperationException("no"));
            ended.Cancel();
            Assert.DoesNotContain("Stop was asked for", panel.View!.ToText(), StringComparison.Ordinal);
        }
        finally
        {
            AppContext.SetData(HostContract.InterruptedSlot, null);
        }
    }

    /// <summary>A genuine kernel whose cells run a piece of the test.</summary>
    private sealed class CellKernel(Action<KernelInvocationContext> cell) : Kernel("cells"), IKernelCommandHandler<SubmitCode>
    {
        public Task HandleAsync(SubmitCode command, KernelInvocationContext context)
        {
            cell(context);
            return Task.CompletedTask;
        }
    }

    private sealed class Sample(string text) : HtmlView
    {
        public override string ToHtml() => $"<b>{text}</b>";

        public override string ToText() => text;
    }
}
