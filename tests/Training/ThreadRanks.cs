using NotebookLib.Training;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Training;

/// <summary>Ranks that are threads of one process: what MPI does between machines, without it.</summary>
internal sealed class ThreadRanks
{
    private readonly Lock _gate = new();
    private readonly Dictionary<long, Call> _calls = [];
    private readonly Member[] _members;
    private Exception? _failure;

    public ThreadRanks(int count) => _members = [.. Enumerable.Range(0, count).Select(rank => new Member(this, rank))];

    /// <summary>Floats that each rank gave to be summed.</summary>
    public long Summed { get; private set; }

    /// <summary>Runs the same on every rank.</summary>
    /// <returns>What each gave, or threw.</returns>
    public (T? Value, Exception? Error)[] Run<T>(Func<ICommunicator, T> work)
    {
        var results = new (T? Value, Exception? Error)[_members.Length];
        var threads = _members.Select(member => new Thread(() =>
        {
            try
            {
                results[member.Rank] = (work(member), null);
            }
            catch (Exception error)
            {
                results[member.Rank] = (default, error);
                member.Leave(error);
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        return results;
    }

    private Task<byte[][]> Join(Member member, Tensor? values, byte[]? bytes, Action<Call> complete)
    {
        lock (_gate)
        {
            var number = member.Calls++;
            if (!_calls.TryGetValue(number, out var call))
            {
                _calls[number] = call = new(_members.Length);
            }

            (call.Values[member.Rank], call.Bytes[member.Rank]) = (values, bytes ?? []);
            if (_failure is not null)
            {
                call.Done.TrySetException(new LostRankException("A rank has left.", _failure));
            }
            else if (++call.Joined == _members.Length)
            {
                _calls.Remove(number);
                complete(call);
                call.Done.SetResult(call.Bytes);
            }

            return call.Done.Task;
        }
    }

    private sealed class Call(int count)
    {
        public Tensor?[] Values { get; } = new Tensor?[count];

        public byte[][] Bytes { get; } = new byte[count][];

        public TaskCompletionSource<byte[][]> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Joined { get; set; }
    }

    private sealed class Member(ThreadRanks all, int rank) : ICommunicator
    {
        public long Calls { get; set; }

        public int Rank => rank;

        public int Count => all._members.Length;

        public Task Sum(Tensor values) => all.Join(this, values, null, call =>
        {
            using var scope = NewDisposeScope();
            using var quiet = no_grad();
            all.Summed += values.numel();
            var sum = call.Values.Aggregate((left, right) => left! + right!)!;
            Array.ForEach(call.Values, each => each!.copy_(sum));
        });

        public Task Share(Tensor values) => all.Join(this, values, null, call =>
        {
            using var scope = NewDisposeScope();
            using var quiet = no_grad();
            Array.ForEach(call.Values[1..], each => each!.copy_(call.Values[0]!));
        });

        public Task<byte[][]> Gather(byte[] own) => all.Join(this, null, own, _ => { });

        public void Wait(Task begun) => begun.GetAwaiter().GetResult();

        public void Leave(Exception failure)
        {
            lock (all._gate)
            {
                all._failure ??= failure;
                foreach (var call in all._calls.Values)
                {
                    call.Done.TrySetException(new LostRankException("A rank has left.", failure));
                }
            }
        }
    }
}
