using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Tests.Data;
using NotebookLib.Tests.Tokenization;
using NotebookLib.Tokenization;
using TorchSharp;

namespace NotebookLib.Tests.Fuzzing;

/// <summary>Readers of weights, configurations, tokenizers and adapters.</summary>
internal static class ModelTargets
{
    private const string Weights = "model.safetensors";
    private const string Index = "model.safetensors.index.json";
    private static readonly string s_base = Repository.PathOf("tests", "goldens", "peft", "base");

    public static IEnumerable<FuzzTarget> All =>
    [
        new("safetensors", () => [Only(s_base, Weights), Only(Repository.PathOf("tests", "goldens", "lora", "adapter"), "adapter_model.safetensors")],
            folder => Drop(() => SafetensorsFile.ReadAll(Directory.EnumerateFiles(folder).Single()))),
        new("shards", () => [Shards()], folder => Drop(() =>
        {
            using var shards = ShardedFiles.Open(Path.Combine(folder, Index));
            return shards.ReadAll();
        })),
        new("pickle", () => [Only(Repository.PathOf("tests", "goldens", "lora", "adapter-bin"), "adapter_model.bin")], folder => Drop(() =>
        {
            using var pickle = PickleFile.Open(Directory.EnumerateFiles(folder).Single());
            return pickle.ReadAll();
        })),
        new("config", () => [Only(s_base, "config.json"), Only(Repository.PathOf("data", "tiny-deberta-v3"), "config.json")],
            folder => _ = DebertaConfig.Read(Path.Combine(folder, "config.json"))),
        new("modelfolder", () => [SoundInput.Of(s_base)], folder => ModelFolder.Load(folder).Model.Dispose()),
        new("tokenizer-spm", () => [new("spm.model", File.ReadAllBytes(SpmFile.TinyPath))], Tokenize),
        new("tokenizer-json", () => [Tokenizer()], Tokenize),
        new("adapterconfig", () => Adapters(), folder => _ = AdapterConfig.Read(folder)),
        new("adapterfolder", () => Adapters(), folder =>
        {
            using var model = ModelFolder.Load(s_base).Model;
            using var adapters = LoraAdapters.Load(folder, model);
        }),
    ];

    private static SoundInput Only(string folder, string name) => new(name, File.ReadAllBytes(Path.Combine(folder, name)));

    private static SoundInput Shards()
    {
        using var temporary = new TemporaryFolder();
        var all = SafetensorsFile.ReadAll(Path.Combine(s_base, Weights));
        var halves = all.OrderBy(pair => pair.Key, StringComparer.Ordinal).Chunk((all.Count + 1) / 2).ToArray();
        var map = new List<string>();
        for (var i = 0; i < 2; i++)
        {
            var name = $"model-0000{i + 1}-of-00002.safetensors";
            SafetensorsFile.Write(Path.Combine(temporary.Root, name), halves[i]);
            map.AddRange(halves[i].Select(pair => $"\"{pair.Key}\":\"{name}\""));
        }

        File.WriteAllText(Path.Combine(temporary.Root, Index), $$$"""{"metadata":{"total_size":100},"weight_map":{ {{{string.Join(',', map)}}} }}""");
        foreach (var tensor in all.Values)
        {
            tensor.Dispose();
        }

        return SoundInput.Of(temporary.Root);
    }

    private static SoundInput Tokenizer()
    {
        using var temporary = new TemporaryFolder();
        DebertaTokenizer.Load(SpmFile.TinyPath).Save(temporary.Root);
        File.Delete(Path.Combine(temporary.Root, "spm.model"));
        return SoundInput.Of(temporary.Root);
    }

    private static void Tokenize(string folder) => DebertaTokenizer.Load(folder).Encode("The goat, of bees: ½ ﬁne\u00A0\uD83D\uDE00!");

    private static List<SoundInput> Adapters() =>
    [
        SoundInput.Of(Repository.PathOf("tests", "goldens", "peft", "patterns-rslora"), "adapter_config.json", "adapter_model.safetensors"),
        SoundInput.Of(Repository.PathOf("tests", "goldens", "peft", "rank-pattern-dora"), "adapter_config.json", "adapter_model.safetensors"),
        SoundInput.Of(Repository.PathOf("tests", "goldens", "peft", "bias-all"), "adapter_config.json", "adapter_model.safetensors"),
    ];

    private static void Drop(Func<Dictionary<string, torch.Tensor>> read)
    {
        foreach (var tensor in read().Values)
        {
            tensor.Dispose();
        }
    }
}
