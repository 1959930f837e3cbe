using NotebookLib.Batching;

namespace NotebookLib.Training;

/// <summary>What the network made of batches.</summary>
/// <param name="Losses">One per batch.</param>
/// <param name="Predicted">The best label of every piece, batch after batch.</param>
internal sealed record ScoredBatches(float[] Losses, int[] Predicted);

/// <summary>An evaluation's batches shared among ranks: every Nth is a rank's, so that long and short ones are spread. Alone, all are its own.</summary>
internal sealed class EvaluationParts(ICommunicator? ranks, EncodedSentence[][] batches, int[][] indices)
{
    /// <summary>This rank's batches.</summary>
    public EncodedSentence[][] OwnBatches => Own(batches);

    /// <summary>Which rows they are.</summary>
    public int[][] OwnIndices => Own(indices);

    /// <summary>Scores this rank's batches and gathers the others'.</summary>
    /// <param name="score">Scores <see cref="OwnBatches"/>.</param>
    /// <param name="predictions">By row; where they are kept, those of the others are filled in.</param>
    /// <param name="cancellation">What <paramref name="score"/> looks at.</param>
    /// <returns>All batches' results, in order.</returns>
    /// <exception cref="OperationCanceledException">The evaluation was cancelled, here or on another rank.</exception>
    public ScoredBatches Gather(Func<ScoredBatches> score, PredictedPieces[]? predictions, CancellationToken cancellation)
    {
        if (ranks is null)
        {
            return score();
        }

        byte[] own = [];
        try
        {
            own = Written(score(), predictions);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // The others have to learn it, or they would wait.
        }

        var gathered = ranks.GatherNow(own);
        return gathered.All(part => part.Length > 0) ? Read(gathered, predictions)
            : throw new OperationCanceledException("The evaluation was stopped: a rank was asked to.", cancellation);
    }

    private byte[] Written(ScoredBatches scored, PredictedPieces[]? predictions)
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        writer.Write(true);
        foreach (var loss in scored.Losses)
        {
            writer.Write(loss);
        }

        foreach (var label in scored.Predicted)
        {
            writer.Write(label);
        }

        foreach (var row in predictions is null ? [] : OwnIndices.SelectMany(batch => batch))
        {
            var kept = predictions![row];
            Array.ForEach(kept.Tags, writer.Write);
            Array.ForEach(kept.Scores, writer.Write);
            writer.Write(kept.LossSum);
            writer.Write(kept.LabelledPieces);
        }

        writer.Flush();
        return bytes.ToArray();
    }

    private ScoredBatches Read(byte[][] gathered, PredictedPieces[]? predictions)
    {
        var losses = new float[batches.Length];
        var starts = batches.Select(batch => batch.Sum(row => row.Length)).Prepend(0).ToArray();
        for (var batch = 0; batch < batches.Length; batch++)
        {
            starts[batch + 1] += starts[batch];
        }

        var predicted = new int[starts[^1]];
        for (var rank = 0; rank < gathered.Length; rank++)
        {
            using var reader = new BinaryReader(new MemoryStream(gathered[rank]));
            _ = reader.ReadBoolean();
            int[] mine = [.. Enumerable.Range(0, batches.Length).Where(batch => batch % gathered.Length == rank)];
            Array.ForEach(mine, batch => losses[batch] = reader.ReadSingle());
            foreach (var batch in mine)
            {
                for (var piece = starts[batch]; piece < starts[batch + 1]; piece++)
                {
                    predicted[piece] = reader.ReadInt32();
                }
            }

            foreach (var (row, index) in predictions is null ? [] : mine.SelectMany(batch => batches[batch].Zip(indices[batch])))
            {
                predictions![index] = new(
                    [.. Enumerable.Range(0, row.Length).Select(_ => reader.ReadInt32())], [.. Enumerable.Range(0, row.Length).Select(_ => reader.ReadSingle())],
                    reader.ReadDouble(), reader.ReadInt32());
            }
        }

        return new(losses, predicted);
    }

    private T[] Own<T>(T[] all) => ranks is null ? all : [.. all.Where((_, batch) => batch % ranks.Count == ranks.Rank)];
}
