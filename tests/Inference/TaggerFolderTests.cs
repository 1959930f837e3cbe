using NotebookLib.Data;
using NotebookLib.Inference;
using NotebookLib.Lora;
using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Inference;

/// <summary>One call from a folder to a tagger; the model is the demo's, with a head that nobody trained.</summary>
public sealed class TaggerFolderTests : IDisposable
{
    private static readonly string s_start = Repository.PathOf("data", "tiny-deberta-v3");
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("tagger-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_models_folder_and_a_runs_folder_tag_alike()
    {
        var model = Path.Combine(_folder.FullName, "run", "model");
        TrainedFolder.Save(model);
        using var direct = EntityTagger.Load(model, new LoadOptions());
        using var ofRun = EntityTagger.Load(Path.Combine(_folder.FullName, "run"), new LoadOptions());

        Assert.Equal(LabelSet.SystemA.Names, direct.Labels.Names);
        Assert.Equal(512, direct.Scorer.MaximumPieces);
        var tagged = direct.Tag("Marie Curie was born in Warsaw.");
        Assert.Equal(["Marie", "Curie", "was", "born", "in", "Warsaw", "."], tagged.Sentence.Words);
        Assert.Equal(tagged.Entities, ofRun.Tag("Marie Curie was born in Warsaw.").Entities);
    }

    [Fact]
    public void A_loaded_taggers_network_is_not_trained_under_it()
    {
        var folder = Path.Combine(_folder.FullName, "model");
        TrainedFolder.Save(folder);
        using var tagger = EntityTagger.Load(folder, new LoadOptions());

        var refusal = Assert.Throws<InvalidOperationException>(Assert.IsType<ModelPieceScorer>(tagger.Scorer).Model.Engine.KeepTrainingMemory);

        Assert.Contains("dispose it first", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Adapters_bring_their_labels_and_find_their_base_in_a_folder_above_them()
    {
        var adapter = Path.Combine(_folder.FullName, "run", "model");
        CopyStart(Path.Combine(_folder.FullName, "base"));
        float[] expected;
        using (var model = ModelFolder.Load(Path.Combine(_folder.FullName, "base"), new LoadOptions { Labels = LabelSet.SystemB }).Model)
        using (var adapters = LoraAdapters.Attach(model, new LoraSettings { Rank = 2, BaseModel = "./base" }, 7))
        {
            using (no_grad())
            {
                foreach (var (name, parameter) in model.named_parameters().Where(pair => pair.name.Contains("lora_B", StringComparison.Ordinal)))
                {
                    parameter.fill_(0.02f);
                }
            }

            adapters.Save(adapter);
            expected = new ModelPieceScorer(model).Score([[1, 20, 30, 40, 2]], TestContext.Current.CancellationToken)[0];
        }

        using var tagger = EntityTagger.Load(Path.Combine(_folder.FullName, "run"), new LoadOptions());

        Assert.Equal(LabelSet.SystemB.Names, tagger.Labels.Names);
        var actual = tagger.Scorer.Score([[1, 20, 30, 40, 2]], TestContext.Current.CancellationToken)[0];
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 1e-5f));
        using var named = EntityTagger.Load(adapter, new LoadOptions(), Path.Combine(_folder.FullName, "base"));
        Assert.Equal(actual, named.Scorer.Score([[1, 20, 30, 40, 2]], TestContext.Current.CancellationToken)[0]);
        Directory.Move(Path.Combine(_folder.FullName, "base"), Path.Combine(_folder.FullName, "elsewhere"));
        Assert.StartsWith(
            $"{adapter}: its adapter_config.json says that the adapters belong to ./base, which is not here;",
            Assert.Throws<DirectoryNotFoundException>(() => EntityTagger.Load(adapter, new LoadOptions())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Adapters_without_names_of_labels_or_of_a_base_say_what_is_missing()
    {
        var adapter = Path.Combine(_folder.FullName, "adapter");
        using (var model = ModelFolder.Load(s_start, new LoadOptions { Labels = LabelSet.SystemB }).Model)
        using (var adapters = LoraAdapters.Attach(model, new LoraSettings { Rank = 2 }, 7))
        {
            adapters.Save(adapter);
        }

        Assert.Contains("base_model_name_or_path is empty", Assert.Throws<ArgumentException>(() => EntityTagger.Load(adapter, new LoadOptions())).Message,
            StringComparison.Ordinal);
        File.Delete(Path.Combine(adapter, "config.json"));
        Assert.Contains("what its labels are called", Assert.Throws<ArgumentException>(() => EntityTagger.Load(adapter, new LoadOptions(), s_start)).Message,
            StringComparison.Ordinal);
        using var tagger = EntityTagger.Load(adapter, new LoadOptions { Labels = LabelSet.SystemB }, s_start);
        Assert.Equal(LabelSet.SystemB.Names, tagger.Labels.Names);
    }

    [Fact]
    public void What_holds_no_trained_model_is_refused_with_what_was_expected()
    {
        Assert.Contains("a model to start a training from", Assert.Throws<InvalidDataException>(() => EntityTagger.Load(s_start, new LoadOptions())).Message,
            StringComparison.Ordinal);
        Assert.Contains("holds no trained model", Assert.Throws<FileNotFoundException>(() => EntityTagger.Load(_folder.FullName, new LoadOptions())).Message,
            StringComparison.Ordinal);
        Assert.Contains("no such folder",
            Assert.Throws<DirectoryNotFoundException>(() => EntityTagger.Load(Path.Combine(_folder.FullName, "none"), new LoadOptions())).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_text_longer_than_the_span_is_tagged_as_one_long_pass_tags_it()
    {
        var model = Path.Combine(_folder.FullName, "model");
        TrainedFolder.Save(model);
        using var tagger = EntityTagger.Load(model, new LoadOptions());
        var whole = new EntityTagger(tagger.Tokenizer, new Unlimited(tagger.Scorer));
        string[] words = [.. Enumerable.Range(0, 900).Select(i => TrainedFolder.Words[i * 7 % TrainedFolder.Words.Length])];

        var (windows, one) = (tagger.Tag(words), whole.Tag(words));

        Assert.NotEmpty(one.Entities);
        // The network sees the whole text, so what is far away may tip a near tie of this head, which nobody trained; a window that is out of place would
        // change most tags.
        Assert.InRange(windows.Sentence.Tags.Zip(one.Sentence.Tags).Count(pair => pair.First == pair.Second), words.Length * 85 / 100, words.Length);
    }

    private static void CopyStart(string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (var file in Directory.EnumerateFiles(s_start))
        {
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }
    }

    private sealed class Unlimited(IPieceScorer scorer) : IPieceScorer
    {
        public IReadOnlyList<string> Labels => scorer.Labels;

        public IReadOnlyList<float[]> Score(IReadOnlyList<int[]> inputIds, CancellationToken cancellation = default) => scorer.Score(inputIds, cancellation);
    }
}
