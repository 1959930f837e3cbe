using System.Buffers.Binary;
using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Training;

/// <summary>The states of a run's random generators as bytes: libtorch's own on the CPU, and the network's dropout.</summary>
internal static class RandomState
{
    /// <summary>The name under which a checkpoint keeps it.</summary>
    public const string LibtorchName = "libtorch";

    public static byte[] OfLibtorch()
    {
        using var generator = Generator.Default;
        using var state = generator.get_state();
        return state.data<byte>().ToArray();
    }

    /// <summary>
    /// What is wrong with a checkpoint's states; null when nothing is. libtorch checks its own, and ends the process where it does not like it.
    /// </summary>
    public static string? FindFault(IReadOnlyDictionary<string, byte[]> states)
    {
        var expected = OfLibtorch().Length;
        if (!states.TryGetValue(LibtorchName, out var bytes) || bytes.Length != expected)
        {
            return Invariant($"the state of libtorch's generator has {bytes?.Length ?? 0} bytes, expected {expected}");
        }

        var (left, isSeeded, next) = (BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(8)), BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(12)),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(16)));
        return isSeeded == 1 && left is > 0 and <= WordsOfTwister && next <= WordsOfTwister ? null : "the state of libtorch's generator is none of its own";
    }

    // CPUGeneratorImpl.cpp of PyTorch 2: seed, words left, whether it is seeded, the next word, 624 words, and normal draws that wait.
    private const int WordsOfTwister = 624;

    public static void SetLibtorch(byte[] bytes)
    {
        using var generator = Generator.Default;
        using var state = tensor(bytes);
        generator.set_state(state);
    }

    private const string DropoutName = "dropout";

    /// <summary>A network's dropout generator: its seed and how many masks it has made.</summary>
    public static Dictionary<string, byte[]> OfDropout(DropoutRandom random)
    {
        var bytes = new byte[16];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, random.Seed);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(8), random.Counter);
        return new(StringComparer.Ordinal) { [DropoutName] = bytes };
    }

    /// <exception cref="InvalidDataException">The state is missing or of another form.</exception>
    public static void RestoreDropout(DropoutRandom random, IReadOnlyDictionary<string, byte[]> states)
    {
        if (!states.TryGetValue(DropoutName, out var bytes) || bytes.Length != 16)
        {
            throw new InvalidDataException("The checkpoint lacks the dropout generator's state (16 bytes: seed and counter); "
                + "was it written by another version?");
        }

        random.Seed = BinaryPrimitives.ReadInt64LittleEndian(bytes);
        random.Counter = BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(8));
    }
}
