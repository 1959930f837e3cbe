using NotebookLib.Data;
using NotebookLib.Model;
using NotebookLib.Tokenization;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Inference;

/// <summary>
/// A folder as a training leaves it, made in a moment: the demo's network, and a head whose rows are the network's own answers to words whose tags are known.
/// It finds what it has seen, and tags what else there is as it happens.
/// </summary>
internal static class TrainedFolder
{
    private static readonly (string Word, string Tag)[] Known =
    [
        ("the", "O"), ("was", "O"), ("in", "O"), ("and", "O"), (".", "O"), (",", "O"), ("of", "O"), ("a", "O"), ("Marie", "B-PER"), ("Curie", "I-PER"),
        ("Warsaw", "B-LOC"), ("Paris", "B-LOC"),
    ];

    public static string[] Words => [.. Known.Select(known => known.Word)];

    public static void Save(string folder)
    {
        var start = Repository.PathOf("data", "tiny-deberta-v3");
        var tokenizer = DebertaTokenizer.Load(start);
        using var model = ModelFolder.Load(start, new LoadOptions { Labels = LabelSet.SystemA }).Model;
        using (NewDisposeScope())
        using (no_grad())
        {
            var head = model.Classifier;
            head.Weight.zero_();
            head.Bias!.fill_(-100);
            var rows = Known.Select(known => Answer(model, tokenizer.EncodeWords([known.Word]).Ids)).ToList();
            var mean_C = stack(rows).mean([0L]);
            foreach (var group in Known.Select((known, i) => (known.Tag, Row: rows[i] - mean_C)).GroupBy(known => known.Tag))
            {
                var id = LabelSet.SystemA.FindId(group.Key)!.Value;
                var row_C = stack(group.Select(known => known.Row)).mean([0L]);
                row_C = row_C / row_C.norm();
                head.Weight[id].copy_(row_C);
                head.Bias![id].copy_(-row_C.dot(mean_C));
            }
        }

        ModelFolder.Save(model, folder);
        tokenizer.Save(folder);
    }

    /// <summary>What the encoder makes of a word's first piece, [C].</summary>
    private static Tensor Answer(DebertaV2ForTokenClassification model, int[] ids)
    {
        var ids_1L = tensor(Array.ConvertAll(ids, id => (long)id)).unsqueeze(0);
        return model.Deberta.call(ids_1L, ones_like(ids_1L))[0][1];
    }
}
