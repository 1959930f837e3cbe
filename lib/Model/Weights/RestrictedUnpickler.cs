using System.Buffers.Binary;
using System.Text;

namespace NotebookLib.Model;

/// <summary>
/// Reads the pickle of a PyTorch checkpoint without running anything: a stack machine over a short list of opcodes that calls only what
/// <see cref="PickleCallable"/> allows (Python <c>pickle.py</c>, protocols 2 to 5; PyTorch's <c>_weights_only_unpickler.py</c> has the same idea).
/// Every value costs at least one byte of the pickle, so memory is bounded by its length; nothing is recursive.
/// </summary>
internal sealed class RestrictedUnpickler
{
    private static readonly object Mark = new();
    private readonly byte[] _pickle;
    private readonly List<object?> _stack = [];
    private readonly Dictionary<uint, object?> _memo = [];
    private int _position;

    private RestrictedUnpickler(byte[] pickle) => _pickle = pickle;

    /// <summary>
    /// The value that the pickle describes: numbers as long or double, lists and tuples as <c>object?[]</c> or <c>List</c>, dictionaries, tensors.
    /// </summary>
    /// <exception cref="InvalidDataException">The pickle names something else, uses another opcode, or ends early.</exception>
    public static object? Load(byte[] pickle)
    {
        try
        {
            return new RestrictedUnpickler(pickle).Run();
        }
        catch (Exception error) when (error is ArgumentOutOfRangeException or InvalidCastException or KeyNotFoundException or OverflowException
            or NullReferenceException)
        {
            throw new InvalidDataException($"its pickle is damaged ({error.Message})", error);
        }
    }

    private object? Run()
    {
        while (true)
        {
            var opcode = Byte();
            if (opcode == (byte)'.')
            {
                return Pop();
            }

            Step(opcode);
        }
    }

    private void Step(byte opcode)
    {
        switch ((char)opcode)
        {
            case '\x80': _ = Byte(); break; // PROTO
            case '\x95': _ = Bytes(8); break; // FRAME
            case '(': _stack.Add(Mark); break;
            case '0': _ = Pop(); break;
            case 'N': _stack.Add(null); break;
            case '\x88': _stack.Add(true); break;
            case '\x89': _stack.Add(false); break;
            case 'J': _stack.Add((long)BinaryPrimitives.ReadInt32LittleEndian(Bytes(4))); break;
            case 'K': _stack.Add((long)Byte()); break;
            case 'M': _stack.Add((long)BinaryPrimitives.ReadUInt16LittleEndian(Bytes(2))); break;
            case '\x8a': _stack.Add(Long(Byte())); break;
            case 'G': _stack.Add(BinaryPrimitives.ReadDoubleBigEndian(Bytes(8))); break;
            case 'X': _stack.Add(Text(BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4)))); break;
            case '\x8c': _stack.Add(Text(Byte())); break;
            case ')': _stack.Add(Array.Empty<object?>()); break;
            case 't': _stack.Add(PopToMark()); break;
            case '\x85': _stack.Add(Pop(1)); break;
            case '\x86': _stack.Add(Pop(2)); break;
            case '\x87': _stack.Add(Pop(3)); break;
            case ']': _stack.Add(new List<object?>()); break;
            case '}': _stack.Add(new Dictionary<string, object?>(StringComparer.Ordinal)); break;
            case 'a': Append([Pop()]); break;
            case 'e': Append(PopToMark()); break;
            case 's': SetItems(Pop(2)); break;
            case 'u': SetItems(PopToMark()); break;
            case 'c': _stack.Add(PickleCallable.Find(Line(), Line())); break;
            case '\x93': _stack.Add(StackGlobal()); break;
            case 'R': _stack.Add(Call()); break;
            case 'b': Build(Pop()); break;
            case 'Q': _stack.Add(Storage((object?[])Pop()!)); break;
            case 'q': _memo[Byte()] = Top; break;
            case 'r': _memo[BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4))] = Top; break;
            case '\x94': _memo[(uint)_memo.Count] = Top; break;
            case 'h': _stack.Add(_memo[Byte()]); break;
            case 'j': _stack.Add(_memo[BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4))]); break;
            default: throw new InvalidDataException($"its pickle uses opcode 0x{opcode:x2} at byte {_position - 1}, which a checkpoint has no need of");
        }
    }

    private object? Top => _stack[^1];

    private object? Pop()
    {
        var value = _stack[^1];
        _stack.RemoveAt(_stack.Count - 1);
        return value == Mark ? throw new InvalidDataException("its pickle is damaged (a mark where a value was expected)") : value;
    }

    private object?[] Pop(int count)
    {
        var values = _stack.GetRange(_stack.Count - count, count).ToArray();
        _stack.RemoveRange(_stack.Count - count, count);
        return values.Contains(Mark) ? throw new InvalidDataException("its pickle is damaged (a mark where a value was expected)") : values;
    }

    private object?[] PopToMark()
    {
        var values = Pop(_stack.Count - 1 - _stack.LastIndexOf(Mark));
        _stack.RemoveAt(_stack.Count - 1);
        return values;
    }

    private void Append(object?[] items) => ((List<object?>)Top!).AddRange(items);

    private void SetItems(object?[] pairs)
    {
        var target = (Dictionary<string, object?>)Top!;
        if (pairs.Length % 2 != 0)
        {
            throw new InvalidDataException("its pickle is damaged (a name without a value)");
        }

        for (var i = 0; i < pairs.Length; i += 2)
        {
            // Only names matter here; a name that comes twice would make two readers see two models.
            if (!target.TryAdd((string)pairs[i]!, pairs[i + 1]))
            {
                throw new InvalidDataException($"its pickle names {pairs[i]} twice");
            }
        }
    }

    // A state dict carries version numbers as an attribute (_metadata); nothing of it is needed.
    private void Build(object? state) =>
        _ = Top is Dictionary<string, object?> && state is Dictionary<string, object?>
            ? 0 : throw new InvalidDataException("its pickle sets the state of something other than a dictionary");

    private PickleCallable StackGlobal()
    {
        var names = Pop(2);
        return PickleCallable.Find((string)names[0]!, (string)names[1]!);
    }

    private object? Call()
    {
        var parts = Pop(2);
        var arguments = (object?[])parts[1]!;
        return ((PickleCallable)parts[0]!).Kind switch
        {
            PickleGlobal.OrderedDict when arguments.Length == 0 => new Dictionary<string, object?>(StringComparer.Ordinal),
            PickleGlobal.RebuildTensor when arguments.Length >= 4 => Tensor(arguments),
            PickleGlobal.RebuildParameter when arguments.Length >= 1 => (PickledTensor)arguments[0]!,
            PickleGlobal.Size when arguments.Length == 1 => (object?[])arguments[0]!,
            var kind => throw new InvalidDataException($"its pickle calls {kind} with {arguments.Length} arguments"),
        };
    }

    private static PickledTensor Tensor(object?[] arguments)
    {
        var tensor = new PickledTensor((PickledStorage)arguments[0]!, (long)arguments[1]!, Longs(arguments[2]), Longs(arguments[3]));
        var isSound = tensor.Shape.Length == tensor.Strides.Length && tensor.Shape.Length <= 16 && tensor.Offset >= 0
            && !tensor.Shape.Any(size => size < 0) && !tensor.Strides.Any(stride => stride < 0);
        var elements = isSound ? tensor.ElementCount : 0;
        // A real checkpoint never repeats elements by stride 0: such a tensor would be larger than its storage.
        return isSound && checked(tensor.Offset + tensor.Reach) <= tensor.Storage.ElementCount && elements <= tensor.Storage.ElementCount
            ? tensor
            : throw new InvalidDataException($"a tensor of shape [{string.Join(", ", tensor.Shape)}], strides [{string.Join(", ", tensor.Strides)}] "
                + $"and offset {tensor.Offset} does not fit its storage of {tensor.Storage.ElementCount} elements");
    }

    private static long[] Longs(object? tuple) => [.. ((object?[])tuple!).Select(item => (long)item!)];

    // ('storage', storage type, key, location, element count)
    private static PickledStorage Storage(object?[] id) =>
        id is ["storage", PickleCallable { Kind: PickleGlobal.Storage } type, string key, string, long count, ..] && count >= 0
            ? new PickledStorage(type.Dtype, key, count)
            : throw new InvalidDataException("its pickle refers to something other than a tensor storage");

    private long Long(int length) =>
        length > 8 ? throw new InvalidDataException($"its pickle holds a number of {length} bytes")
            : length == 0 ? 0 : LittleEndian(Bytes(length));

    private static long LittleEndian(ReadOnlySpan<byte> bytes)
    {
        long value = (sbyte)bytes[^1];
        for (var i = bytes.Length - 2; i >= 0; i--)
        {
            value = (value << 8) | bytes[i];
        }

        return value;
    }

    private byte Byte() => Bytes(1)[0];

    private ReadOnlySpan<byte> Bytes(long count)
    {
        if (count > _pickle.Length - _position)
        {
            throw new InvalidDataException("its pickle ends early");
        }

        _position += (int)count;
        return _pickle.AsSpan(_position - (int)count, (int)count);
    }

    private string Text(long length) => Encoding.UTF8.GetString(Bytes(length));

    private string Line()
    {
        var end = _pickle.AsSpan(_position).IndexOf((byte)'\n');
        var line = Text(end < 0 ? long.MaxValue : end);
        _position++;
        return line;
    }
}
