namespace NotebookLib.Tests.Fuzzing;

/// <summary>What a reader reads when nothing is wrong.</summary>
/// <param name="Files">Content by name, in one folder.</param>
/// <param name="Spoiled">The files that are spoiled, one a case.</param>
internal sealed record SoundInput(IReadOnlyDictionary<string, byte[]> Files, IReadOnlyList<string> Spoiled)
{
    public SoundInput(string name, byte[] content)
        : this(new Dictionary<string, byte[]> { [name] = content }, [name])
    {
    }

    /// <summary>The files of a folder, all of which are spoiled where none is named.</summary>
    public static SoundInput Of(string folder, params string[] spoiled)
    {
        var files = Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
            .ToDictionary(path => Path.GetRelativePath(folder, path), File.ReadAllBytes);
        return new(files, spoiled.Length > 0 ? spoiled : [.. files.Keys]);
    }
}

/// <summary>A reader of files from others, as the fuzzer sees it.</summary>
/// <param name="Name">Its name on the command line and in the table.</param>
/// <param name="MakeSound">Makes what it reads; asked once.</param>
/// <param name="ReadAsync">Reads what stands in a folder, or throws.</param>
internal sealed record FuzzTarget(string Name, Func<IReadOnlyList<SoundInput>> MakeSound, Func<string, CancellationToken, Task> ReadAsync)
{
    private readonly Lazy<IReadOnlyList<SoundInput>> _sound = new(MakeSound);

    public FuzzTarget(string name, Func<IReadOnlyList<SoundInput>> makeSound, Action<string> read)
        : this(name, makeSound, (folder, _) =>
        {
            read(folder);
            return Task.CompletedTask;
        })
    {
    }

    public IReadOnlyList<SoundInput> Sound => _sound.Value;

    /// <summary>
    /// Makes a spoiled file look whole again, in most cases, where a sum guards it (name, content → content): else a reader would be tried on its sums alone.
    /// </summary>
    public Func<string, byte[], byte[]>? Mend { get; init; }

    /// <summary>The same for a folder, after its files were written.</summary>
    public Action<string>? Seal { get; init; }

    /// <summary>Whether a message that names a file of the case says where the fault is.</summary>
    public bool NamesFile { get; init; } = true;

    /// <summary>What a message may name instead; without it and <see cref="NamesFile"/> it need name nothing.</summary>
    public string? Address { get; init; }

    public override string ToString() => Name;
}
