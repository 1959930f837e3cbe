using NotebookLib.Display;
using NotebookLib.Platform;

namespace NotebookLib.Tests.Display;

[Collection(nameof(NotebookHostTests))]
[CollectionDefinition(nameof(NotebookHostTests), DisableParallelization = true)]
public class NotebookHostTests
{
    [Fact]
    public void A_published_delegate_becomes_the_host_and_receives_updates()
    {
        var seen = new List<string>();
        Func<string, string, string, Action<string, string>> door = (mimeType, content, plainText) =>
        {
            seen.Add($"{mimeType}|{content}|{plainText}");
            return (newContent, newPlainText) => seen.Add($"update|{newContent}|{newPlainText}");
        };
        AppContext.SetData(NotebookHost.DataName, door);
        try
        {
            NotebookHost.Current!.DisplayUpdatable("text/html", "<b>1</b>", "1").Update("<b>2</b>", "2");
        }
        finally
        {
            AppContext.SetData(NotebookHost.DataName, null);
        }

        Assert.Equal(["text/html|<b>1</b>|1", "update|<b>2</b>|2"], seen);
        Assert.Null(NotebookHost.Current);
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
}
