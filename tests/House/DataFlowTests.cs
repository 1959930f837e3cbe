using System.Text.RegularExpressions;

namespace NotebookLib.Tests.House;

/// <summary>Data flows one way through lib/: a folder uses only those before it in docs/DESIGN.md.</summary>
public sealed partial class DataFlowTests
{
    [Fact]
    public void A_folder_uses_only_those_upstream_of_it()
    {
        var order = Order();
        var folders = Directory.EnumerateDirectories(Repository.PathOf("lib")).Select(Path.GetFileName).ToList();
        var uses = RoomUses.Of(typeof(NotebookLib.Data.Sentence).Assembly.Location);

        Assert.Equal(order.Order(StringComparer.Ordinal), folders.Order(StringComparer.Ordinal));
        Assert.Contains(uses, use => use is { UserRoom: "Batching", Used: "LabelAligner" });
        Assert.Empty(uses.Where(use => order.IndexOf(use.UsedRoom) > order.IndexOf(use.UserRoom))
            .Select(use => $"{use.UserRoom}/{use.User} uses {use.Used} of {use.UsedRoom}, which comes after it"));
    }

    [Fact]
    public void A_type_lives_in_the_folder_of_its_namespace()
    {
        var wrong = Directory.EnumerateFiles(Repository.PathOf("lib"), "*.cs", SearchOption.AllDirectories)
            .Where(file => Namespace().Match(File.ReadAllText(file)).Groups[1].Value
                != Path.GetRelativePath(Repository.PathOf("lib"), file).Split(Path.DirectorySeparatorChar)[0]);

        Assert.Empty(wrong);
    }

    private static List<string> Order()
    {
        var line = File.ReadLines(Repository.PathOf("docs", "DESIGN.md")).First(line => line.Contains(" → ", StringComparison.Ordinal));
        return [.. line.Split('→', StringSplitOptions.TrimEntries)];
    }

    [GeneratedRegex(@"^namespace NotebookLib\.(\w+)", RegexOptions.Multiline)]
    private static partial Regex Namespace();
}
