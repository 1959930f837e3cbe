using System.Buffers.Binary;
using NotebookLib.Model;

namespace NotebookLib.Training;

/// <summary>A network's dropout generator as bytes: its seed and how many masks it has made.</summary>
internal static class DropoutState
{
    private const string Name = "dropout";

    public static Dictionary<string, byte[]> Of(DropoutRandom random)
    {
        var bytes = new byte[16];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, random.Seed);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(8), random.Counter);
        return new(StringComparer.Ordinal) { [Name] = bytes };
    }

    /// <exception cref="InvalidDataException">The state is missing or of another form.</exception>
    public static void Restore(DropoutRandom random, IReadOnlyDictionary<string, byte[]> states)
    {
        if (!states.TryGetValue(Name, out var bytes) || bytes.Length != 16)
        {
            throw new InvalidDataException("The checkpoint lacks the dropout generator's state (16 bytes: seed and counter); "
                + "was it written by another version?");
        }

        random.Seed = BinaryPrimitives.ReadInt64LittleEndian(bytes);
        random.Counter = BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(8));
    }
}
