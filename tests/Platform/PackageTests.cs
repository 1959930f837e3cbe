using System.Diagnostics;
using System.IO.Compression;
using System.Text;
using System.Xml.Linq;
using NotebookLib.Tests.Onnx;

namespace NotebookLib.Tests.Platform;

/// <summary>The package as a stranger gets it: packed, and used by the sample in an empty folder.</summary>
[StartsProcesses]
public sealed class PackageTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("a package ");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task The_sample_runs_from_the_packed_package_in_an_empty_folder()
    {
        var packages = _folder.CreateSubdirectory("packages").FullName;
        await DotnetAsync(0, Repository.Root, "pack", "NotebookLib.csproj", "-o", packages, "-v", "q", "-p:RunAnalyzers=false",
            "-p:EnforceCodeStyleInBuild=false", "-nodeReuse:false");
        AssertSound(packages);

        var sample = CopySample(packages);
        var model = NpmClientTests.SaveTagger(Path.Combine(_folder.FullName, "a model"));
        var output = await DotnetAsync(0, sample, "run", "--", model, "Otto Keller left Hamburg for the Baltic Sea.", "The quick brown fox, 3.5 % of it.");
        Assert.Matches(@"(?m)^[A-Z]+\t\d+\t\d+\t[01]\.\d{3}\t\S", output);

        // Without libtorch the build says what is missing, and so does the program.
        var project = Path.Combine(sample, "Tagger.csproj");
        var lines = await File.ReadAllLinesAsync(project, TestContext.Current.CancellationToken);
        await File.WriteAllLinesAsync(project, lines.Where(line => !line.Contains("libtorch", StringComparison.Ordinal)),
            TestContext.Current.CancellationToken);
        Directory.Delete(Path.Combine(sample, "bin"), recursive: true);
        Assert.Contains("NOTEBOOKLIB001", await DotnetAsync(0, sample, "build"), StringComparison.Ordinal);
        var refused = await DotnetAsync(134, sample, "run", "--no-build", "--", model, "Otto Keller left Hamburg.");
        Assert.Contains("Add the package libtorch-cpu-linux-x64, version 2.10.0, to the project of the program", refused, StringComparison.Ordinal);
    }

    private static void AssertSound(string packages)
    {
        var package = Assert.Single(Directory.GetFiles(packages, "*.nupkg"));
        Assert.Single(Directory.GetFiles(packages, "*.snupkg"));
        using var zip = ZipFile.OpenRead(package);
        string[] files = [.. zip.Entries.Select(entry => entry.FullName)
            .Where(name => name.Contains('/', StringComparison.Ordinal) ? name.StartsWith("lib/", StringComparison.Ordinal)
            || name.StartsWith("build", StringComparison.Ordinal) : name.EndsWith(".md", StringComparison.Ordinal))];
        Assert.Equal(
            ["README.md", "buildTransitive/NotebookLib.targets", "buildTransitive/WeakenGlibcxx.targets", "lib/net10.0/NotebookLib.dll",
            "lib/net10.0/NotebookLib.xml"], files.Order(StringComparer.Ordinal));
        using var stream = zip.Entries.Single(entry => entry.FullName.EndsWith(".nuspec", StringComparison.Ordinal)).Open();
        var metadata = XDocument.Load(stream).Root!.Elements().Single();
        string Text(string name) => metadata.Elements().Single(element => element.Name.LocalName == name).Value;
        Assert.Equal(("NotebookLib", "MIT", "README.md"), (Text("id"), Text("license"), Text("readme")));
        Assert.Equal(typeof(NotebookLib.Platform.NativeLibraries).Assembly.GetName().Version!.ToString(3), Text("version"));
        Assert.True(Text("description").Length > 50);
        string[] dependencies = [.. metadata.Descendants().Where(element => element.Name.LocalName == "dependency")
            .Select(element => element.Attribute("id")!.Value)];
        Assert.Contains("TorchSharp", dependencies);
        string[] strays = ["FSharp", "Plotly", "xunit", "Interactive", "Grpc", "libtorch", "Giraffe", "Fable", "DynamicObj", "CodeAnalysis", "OnnxRuntime"];
        Assert.DoesNotContain(dependencies, dependency => Array.Exists(strays, stray => dependency.Contains(stray, StringComparison.OrdinalIgnoreCase)));
        // TorchSharp's native half comes along.
        Assert.DoesNotContain("Native",
            metadata.Descendants().Single(element => element.Attribute("id")?.Value == "TorchSharp").Attribute("exclude")?.Value ?? "",
            StringComparison.Ordinal);
        using var library = zip.GetEntry("lib/net10.0/NotebookLib.dll")!.Open();
        using var bytes = new MemoryStream();
        library.CopyTo(bytes);
        Assert.False(bytes.ToArray().AsSpan().IndexOf(Encoding.UTF8.GetBytes("BuiltInto\u0001")) >= 0
            || bytes.ToArray().AsSpan().IndexOf(Encoding.UTF8.GetBytes(Path.Combine(Repository.Root, "bin", "lib"))) >= 0);
    }

    private string CopySample(string packages)
    {
        var sample = _folder.CreateSubdirectory("the sample").FullName;
        foreach (var file in (string[])["Program.cs", "Tagger.csproj"])
        {
            File.Copy(Repository.PathOf("samples", "Tagger", file), Path.Combine(sample, file));
        }

        // The package goes to a folder of its own, so that the machine's cache holds no copy of this build; all else is taken from there.
        var cache = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        new XDocument(new XElement("configuration",
            new XElement("config", Add("globalPackagesFolder", Path.Combine(_folder.FullName, "cache"))),
            new XElement("packageSources", Add("packed", packages)),
            new XElement("fallbackPackageFolders", Add("machine", cache)))).Save(Path.Combine(sample, "nuget.config"));
        return sample;
    }

    private static XElement Add(string key, string value) => new("add", new XAttribute("key", key), new XAttribute("value", value));

    private static async Task<string> DotnetAsync(int expected, string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        // The test host's own settings are not a stranger's.
        foreach (var name in start.Environment.Keys.Where(name =>
            name.StartsWith("MSBuild", StringComparison.OrdinalIgnoreCase) && name != "MSBUILDDISABLENODEREUSE").ToList())
        {
            start.Environment.Remove(name);
        }

        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken) + await error;
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == expected, $"dotnet {string.Join(' ', arguments)}: {process.ExitCode}\n{output}");
        return output;
    }
}
