using System.Text;
using System.Text.Json.Nodes;
using NotebookLib.Data;
using NotebookLib.FakeHub;
using NotebookLib.Model;
using NotebookLib.SampleMaker.Grammar;
using NotebookLib.SampleMaker.Sample;
using NotebookLib.Tests.Model;
using NotebookLib.Tokenization;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Hub.Rehearsal;

/// <summary>Puts generated stand-ins onto a fake Hub, under the real names and in the real layout and sizes: models, and MultiNERD as JSON lines.</summary>
internal sealed class RehearsalHub(FakeHubServer server, string folder)
{
    private static readonly DebertaConfig Small = new()
    {
        HiddenSize = 384,
        NumHiddenLayers = 12,
        NumAttentionHeads = 6,
        IntermediateSize = 1536,
        RelativeAttention = true,
        PositionBuckets = 256,
        PosAttType = ["p2c", "c2p"],
        ShareAttKey = true,
        NormRelEbd = "layer_norm",
        PositionBiasedInput = false,
    };

    private static readonly DebertaConfig Base = Small with { HiddenSize = 768, NumAttentionHeads = 12, IntermediateSize = 3072 };

    /// <summary>The real tokenizer where it is at hand, else the demo's: both fit the vocabulary.</summary>
    private static readonly string TokenizerPath = Array.Find(
        [Repository.PathOf("..", "shared", "reference", "tokenizer", "spm.model"), Repository.PathOf("data", "tiny-deberta-v3", "spm.model")], File.Exists)!;

    /// <summary>microsoft/deberta-v3-xsmall as Microsoft keeps it: half precision in pytorch_model.bin, no head.</summary>
    public void AddPretrained(string name = "microsoft/deberta-v3-xsmall")
    {
        using var model = Random(Small);
        var path = Path.Combine(folder, "pytorch_model.bin");
        var pickle = new PickledFile().OpenDictionary();
        var parameters = model.named_parameters().Where(pair => pair.name.StartsWith("deberta.", StringComparison.Ordinal)).ToList();
        foreach (var ((parameterName, parameter), index) in parameters.Select((pair, index) => (pair, index)))
        {
            pickle.Tensor(parameterName, "HalfStorage", $"{index}", parameter.numel(), 0, parameter.shape, parameter.stride());
        }

        pickle.CloseDictionary();
        foreach (var ((_, parameter), index) in parameters.Select((pair, index) => (pair, index)))
        {
            using var half = parameter.detach().to(float16);
            pickle.Storage($"{index}", half);
        }

        pickle.Save(path);
        server.Repo(name).Commit(("config.json", FakeFile.Text(model.Config.ToJson())), ("pytorch_model.bin", new FakeFile(path, isLarge: true)),
            ("spm.model", new FakeFile(TokenizerPath, isLarge: true)));
    }

    /// <summary>A fine-tuned model of base's size, as transformers saves it.</summary>
    public void AddFineTuned(string name = "alexeyak/deberta-v3-base-ner-A")
    {
        using var model = Random(Base with { Labels = LabelSet.SystemA.Names });
        var saved = Path.Combine(folder, "fine-tuned");
        ModelFolder.Save(model, saved);
        DebertaTokenizer.Load(TokenizerPath).Save(saved);
        server.Repo(name).Commit(Directory.EnumerateFiles(saved)
            .Select(file => (Path.GetFileName(file), new FakeFile(file, new FileInfo(file).Length > 1 << 20))));
    }

    /// <summary>Babelscape/multinerd: a folder a split, a file a language.</summary>
    /// <param name="sizes">Sentences of each split.</param>
    public void AddData((int Train, int Validation, int Test) sizes)
    {
        var splits = new SampleSplits(GrammarFiles.Read(Repository.PathOf("data", "maker")), sizes);
        server.Repo("Babelscape/multinerd", "datasets").Commit(
            ("README.md", FakeFile.Text("---\nlicense: cc-by-nc-sa-4.0\n---\n")),
            ("train/train_en.jsonl", Lines(splits.Train)), ("val/val_en.jsonl", Lines(splits.Validation)), ("test/test_en.jsonl", Lines(splits.Test)));
    }

    private static FakeFile Lines(Split split)
    {
        var text = new StringBuilder();
        foreach (var sentence in split.Sentences)
        {
            JsonArray Array<T>(IEnumerable<T> values) => [.. values.Select(value => (JsonNode?)JsonValue.Create(value))];
            text.Append(new JsonObject { ["tokens"] = Array(sentence.Words), ["ner_tags"] = Array(sentence.Tags), ["lang"] = "en" }.ToJsonString())
                .Append('\n');
        }

        return FakeFile.Text(text.ToString(), isLarge: true);
    }

    private static DebertaV2ForTokenClassification Random(DebertaConfig config)
    {
        var model = new DebertaV2ForTokenClassification(new ModelBuild(config));
        WeightInitializer.Initialize(model, config, seed: 3);
        return model;
    }
}
