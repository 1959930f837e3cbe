using NotebookLib.Platform;

namespace NotebookLib.Tests.Platform;

public class InnerPathTests
{
    [Theory]
    [InlineData("a.txt", "a.txt")]
    [InlineData("a/../b/c.txt", "b/c.txt")]
    [InlineData("..a", "..a")]
    [InlineData("", null)]
    [InlineData(".", null)]
    [InlineData("..", null)]
    [InlineData("../beside/x", null)]
    [InlineData("../folder-too/x", null)]
    [InlineData("a/../../x", null)]
    [InlineData("/etc/passwd", null)]
    [InlineData("x\0y", null)]
    public void A_name_means_a_file_inside_its_folder_or_nothing(string name, string? expected)
    {
        var folder = Path.Combine(Path.GetTempPath(), "folder");
        var path = expected is null ? null : Path.Combine(folder, expected);

        Assert.Equal(path, InnerPath.Of(folder, name));
        Assert.Equal(path, InnerPath.Of(folder + "/", name));
    }
}
