namespace NotebookLib.Tests.Fuzzing;

/// <summary>The fuzzer's short form, and every input that ever ended as it may not.</summary>
public sealed class FuzzTests : IDisposable
{
    private const int Seed = 20;
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);
    private readonly string _root = Path.Combine(Directory.CreateTempSubdirectory("fuzz-").FullName, "work");

    public void Dispose() => Directory.Delete(Path.GetDirectoryName(_root)!, recursive: true);

    public static TheoryData<string> Readers() => new(FuzzTargets.All.Select(target => target.Name));

    /// <summary>Files of <c>cases/</c>: READER--NUMBER--FILE, with + for / in the file's name.</summary>
    public static TheoryData<string> Cases() =>
        new(Directory.EnumerateFiles(Repository.PathOf("tests", "Fuzzing", "cases")).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Readers))]
    public void Spoiled_inputs_are_read_or_refused_with_a_word(string reader)
    {
        var target = FuzzTargets.Find(reader);
        var failures = new List<string>();
        for (var number = 0; number < 50; number++)
        {
            var one = new FuzzCase(target, Seed, number, _root);
            one.Write();
            var result = one.Read(s_patience);
            if (result.End == FuzzEnd.NotAllowed)
            {
                failures.Add($"case {number}, {one.Spoiled}: {result.Text}");
            }
        }

        Assert.Empty(failures);
    }

    [Theory]
    [MemberData(nameof(Readers))]
    public void The_sound_inputs_are_read(string reader)
    {
        var target = FuzzTargets.Find(reader);
        Assert.Contains(target.Sound, sound =>
        {
            var one = new FuzzCase(target, Seed, 0, _root);
            one.Write(sound, sound.Spoiled[0], sound.Files[sound.Spoiled[0]]);
            target.Seal?.Invoke(one.Folder);
            return one.Read(s_patience).End == FuzzEnd.Read;
        });
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void What_once_ended_badly_is_read_or_refused_with_a_word(string name)
    {
        var parts = name.Split("--", 3);
        var target = FuzzTargets.Find(parts[0]);
        var file = parts[2].Replace('+', '/');
        var one = new FuzzCase(target, Seed, 0, _root);
        one.Write(target.Sound.First(sound => sound.Files.ContainsKey(file)), file, File.ReadAllBytes(Repository.PathOf("tests", "Fuzzing", "cases", name)));
        target.Seal?.Invoke(one.Folder);

        var result = one.Read(s_patience);

        Assert.True(result.End != FuzzEnd.NotAllowed, result.Text);
    }
}
