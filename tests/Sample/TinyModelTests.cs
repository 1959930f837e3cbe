using NotebookLib.Data;
using NotebookLib.Model;
using NotebookLib.SampleMaker.Model;
using NotebookLib.SampleMaker.Sample;
using NotebookLib.Tokenization;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Sample;

public class TinyModelTests
{
    private static readonly string Folder = Repository.PathOf("data", "tiny-deberta-v3");

    [Fact]
    public void The_tokenizer_has_DeBERTas_special_ids_and_knows_every_word_of_the_sample()
    {
        var tokenizer = DebertaTokenizer.Load(Folder);

        Assert.Equal(new SpecialTokens(Pad: 0, Cls: 1, Sep: 2, Unk: 3, Mask: SentencePieceTrainer.VocabularySize), tokenizer.Special);
        foreach (var split in (string[])["train", "validation", "test"])
        {
            Assert.All(SampleFiles.Read(Repository.PathOf("data", "sample"), split), sentence =>
            {
                var encoding = tokenizer.EncodeWords(sentence.Words);
                Assert.DoesNotContain(tokenizer.Special.Unk, encoding.Ids);
                Assert.Equal(sentence.Words.Count, encoding.WordIds.Where(word => word >= 0).Distinct().Count());
            });
        }
    }

    [Fact]
    public void It_loads_as_a_pre_trained_checkpoint_that_lacks_only_the_taggers_head()
    {
        var (model, report) = ModelFolder.Load(Folder, new LoadOptions { Labels = LabelSet.SystemA });
        using var owned = model;

        Assert.Equal(["classifier.bias", "classifier.weight"], report.Missing);
        Assert.Empty(report.Unexpected);
        Assert.InRange(model.parameters().Sum(parameter => parameter.numel()), 1_000_000, 3_000_000);
        Assert.Equal(TinyModel.Config.ToJson(), (model.Config with { Labels = TinyModel.Config.Labels, OtherKeys = [] }).ToJson());
    }

    [Fact]
    public void Pre_training_taught_it_to_guess_hidden_words()
    {
        var tokenizer = DebertaTokenizer.Load(Folder);
        using var model = DebertaV2ForMaskedLM.Load(Folder).Model;
        string[] words = ["The", "train", "from", "Paris", "to", "London", "takes", "five", "hours", "."];
        var encoding = tokenizer.EncodeWords(words);
        var place = Array.IndexOf(encoding.WordIds, 8);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var ids = tensor(encoding.Ids.Select((id, i) => i == place ? tokenizer.Special.Mask : (long)id).ToArray()).unsqueeze(0);

        var guess = model.call(ids, ones_like(ids))[0, place].argmax().item<long>();

        Assert.Equal("▁hours", tokenizer.PieceOf((int)guess));
    }

    [Fact]
    public void What_data_holds_stays_small_enough_for_a_clone()
    {
        var files = Directory.EnumerateFiles(Repository.PathOf("data"), "*", SearchOption.AllDirectories).Select(path => new FileInfo(path)).ToList();

        Assert.InRange(files.Sum(file => file.Length), 1, 15_000_000);
        Assert.InRange(new FileInfo(Path.Combine(Folder, "model.safetensors")).Length, 1, 8_000_000);
    }
}
