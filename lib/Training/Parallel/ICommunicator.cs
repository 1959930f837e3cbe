using static TorchSharp.torch;

namespace NotebookLib.Training;

/// <summary>
/// What the ranks of one training tell each other. Every rank makes the same calls in the same order; they are carried out one after another in the background,
/// until <see cref="Wait"/> asks for their end.
/// </summary>
internal interface ICommunicator
{
    /// <summary>Which one this is, from 0.</summary>
    int Rank { get; }

    /// <summary>How many there are, at least 2.</summary>
    int Count { get; }

    /// <summary>Begins to replace values by their sum over all ranks: the same bits on each.</summary>
    /// <param name="values">Float32, contiguous, on the CPU; alive and untouched until the end.</param>
    Task Sum(Tensor values);

    /// <summary>Begins to give everybody rank 0's values.</summary>
    /// <param name="values">Contiguous, on the CPU, of the same size everywhere; alive and untouched until the end.</param>
    Task Share(Tensor values);

    /// <summary>Begins to give everybody what each has.</summary>
    /// <returns>By rank.</returns>
    Task<byte[][]> Gather(byte[] own);

    /// <summary>Waits for the end of what was begun.</summary>
    /// <exception cref="LostRankException">Another rank is gone or gives no answer.</exception>
    void Wait(Task begun);

    /// <summary>This rank leaves the job because of a failure: it takes part in nothing any more.</summary>
    void Leave(Exception failure);
}

/// <summary>A rank of the job is gone, so that none can go on; the message says which one.</summary>
internal sealed class LostRankException(string message, Exception? inner = null) : InvalidOperationException(message, inner);

/// <summary>What a training does with its ranks beside summing gradients.</summary>
internal static class CommunicatorExtensions
{
    /// <summary>Gives everybody what each has, at once.</summary>
    public static byte[][] GatherNow(this ICommunicator ranks, byte[] own)
    {
        var gathered = ranks.Gather(own);
        ranks.Wait(gathered);
        return gathered.Result;
    }

    /// <summary>Makes tensors everywhere what they are on rank 0, whatever their device.</summary>
    public static void ShareNow(this ICommunicator ranks, IEnumerable<Tensor> tensors)
    {
        using var quiet = no_grad();
        foreach (var tensor in tensors)
        {
            using var scope = NewDisposeScope();
            var host = tensor.detach().cpu().contiguous();
            ranks.Wait(ranks.Share(host));
            tensor.copy_(host);
        }
    }

    /// <summary>The stretch of some units that is a rank's: all are as long as they can be alike.</summary>
    public static (int First, int Count) PartOf(this ICommunicator ranks, int units)
    {
        var first = (int)((long)units * ranks.Rank / ranks.Count);
        return (first, (int)((long)units * (ranks.Rank + 1) / ranks.Count) - first);
    }
}
