extern alias runner;

using runner::NotebookRunner.Kernel;
using runner::NotebookRunner.Running;

namespace NotebookLib.Tests.Runner;

public class OutputLimitTests
{
    [Fact]
    public void What_a_cell_prints_is_cut_once_with_a_note()
    {
        var limit = new OutputLimit();
        var lines = string.Concat(Enumerable.Repeat("nine chars\n", 10_000));

        var shown = string.Concat(Enumerable.Range(0, 5)
            .Select(i => limit.Apply(new KernelEvent.StreamText(i % 2 == 0 ? "stdout" : "stderr", lines))).OfType<KernelEvent.StreamText>()
            .Select(text => text.Text));

        Assert.Equal(OutputLimit.MostTextChars,
            shown.IndexOf("\n… cut after 200,000 characters: the rest of what this cell prints is left out.", StringComparison.Ordinal));
        Assert.EndsWith("Write long listings to a file.\n", shown, StringComparison.Ordinal);
    }

    [Fact]
    public void A_progress_bar_that_writes_its_line_anew_is_never_cut()
    {
        var limit = new OutputLimit();
        var bar = new KernelEvent.StreamText("stdout", string.Concat(Enumerable.Repeat("\r50 % ██████████", 100_000)));

        Assert.Same(bar, limit.Apply(bar));
    }

    [Fact]
    public void A_value_too_long_for_a_page_stands_there_as_the_beginning_of_its_text()
    {
        var shown = new KernelEvent.Displayed(null,
            new() { ["text/html"] = new string('h', OutputLimit.MostContentChars + 1), ["text/plain"] = new string('p', 300_000) }, true);

        var data = ((KernelEvent.Displayed)new OutputLimit().Apply(shown)!).Data;

        var text = Assert.Single(data, content => content.Key == "text/plain").Value;
        Assert.Single(data);
        Assert.StartsWith(new string('p', OutputLimit.MostTextChars) + "\n… cut after 200,000 characters: the value has 300,000; show a part of it.", text,
            StringComparison.Ordinal);
        Assert.Contains("left out: text/html of 16,777,217 characters", text, StringComparison.Ordinal);
    }
}
