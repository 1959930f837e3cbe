extern alias lib;

using System.Diagnostics;
using System.Threading.Channels;
using lib::NotebookLib.Inference;
using lib::NotebookLib.Platform;

namespace NotebookRunner.Serving;

/// <summary>
/// Brings concurrent requests to a network that takes one call at a time. A turn is one call: the requests in line give windows round robin until the turn is
/// full, so that many small requests go together and a large one, which takes several turns, keeps nobody waiting for all of them. A request whose client has
/// gone is dropped where it stands in line.
/// </summary>
internal sealed class ScoringQueue : IAsyncDisposable
{
    // Pieces of a turn: enough to compute at an evaluation's rate, few enough that the next turn comes soon. More where the network is fast.
    private const int LeastPieces = 1024;
    private const int MostPieces = 1 << 14;
    private const double ShortTurnSeconds = 0.1;
    private const double LongTurnSeconds = 0.5;

    /// <summary>Pieces after which the next request in line gives windows.</summary>
    private const int Share = 512;

    private readonly IPieceScorer _scorer;
    private readonly ServerMetrics _metrics;
    private readonly int _length;
    private readonly SemaphoreSlim _places;
    private readonly Channel<Job> _arrivals;
    private readonly Thread _loop;
    private readonly Queue<Job> _line = [];
    private readonly HeapTrimmer _heap = new();
    private int _budget = LeastPieces;
    private long _piecesInLine;
    private double _piecesPerSecond = LeastPieces;

    /// <summary>Starts the loop.</summary>
    /// <param name="scorer">The network; nobody else calls it from now on.</param>
    /// <param name="length">Requests that may be in line, the running turn's among them.</param>
    /// <param name="metrics">Told of turns.</param>
    public ScoringQueue(IPieceScorer scorer, int length, ServerMetrics metrics)
    {
        (_scorer, _length, _metrics, _places) = (scorer, length, metrics, new(length));
        _arrivals = Channel.CreateBounded<Job>(new BoundedChannelOptions(length) { SingleReader = true });
        // Always the same thread: OpenMP makes a team of threads for each one that calls the network.
        _loop = new(Run) { IsBackground = true, Name = "scoring" };
        _loop.Start();
    }

    /// <summary>How long what is in line will take.</summary>
    public TimeSpan Wait => TimeSpan.FromSeconds(Volatile.Read(ref _piecesInLine) / Volatile.Read(ref _piecesPerSecond));

    /// <summary>Scores windows, together with those of others.</summary>
    /// <param name="windows">Piece ids of each.</param>
    /// <param name="cancel">Gives up; what has not begun is not begun.</param>
    /// <returns>Logits of each, in order.</returns>
    /// <exception cref="RequestRefusedException">The line is full.</exception>
    /// <exception cref="OperationCanceledException">It was given up.</exception>
    public async Task<IReadOnlyList<float[]>> ScoreAsync(IReadOnlyList<int[]> windows, CancellationToken cancel)
    {
        if (windows.Count == 0)
        {
            return [];
        }

        if (!_places.Wait(0, CancellationToken.None))
        {
            throw RequestRefusedException.Busy($"{_length} requests are waiting already; try again later.", Wait);
        }

        var job = new Job(windows, cancel);
        Interlocked.Add(ref _piecesInLine, job.Pieces);
        _metrics.InLine.Inc();
        if (!_arrivals.Writer.TryWrite(job))
        {
            Leave(job);
            throw RequestRefusedException.Busy("The server is stopping.", TimeSpan.Zero);
        }

        return await job.Done.Task.WaitAsync(cancel);
    }

    /// <summary>Ends when all that is in line is done.</summary>
    public async ValueTask DisposeAsync()
    {
        _arrivals.Writer.TryComplete();
        await Task.Run(_loop.Join);
        _places.Dispose();
    }

    private void Run()
    {
        while (Arrive())
        {
            var turn = TakeTurn();
            if (turn.Count > 0)
            {
                Score(turn);
                _heap.AfterUpdate();
            }
        }
    }

    /// <summary>Waits until somebody is in line.</summary>
    /// <returns>False when nobody is and nobody will come.</returns>
    private bool Arrive()
    {
        if (_line.Count == 0 && !_arrivals.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            return false;
        }

        for (var i = _line.Count; i > 0; i--)
        {
            Enter(_line.Dequeue());
        }

        while (_arrivals.Reader.TryRead(out var job))
        {
            Enter(job);
        }

        return true;
    }

    private void Enter(Job job)
    {
        if (job.Done.Task.IsCompleted)
        {
            // A turn with a part of it failed.
            return;
        }

        if (job.Cancel.IsCancellationRequested)
        {
            _metrics.Dropped.Inc();
            Leave(job);
            return;
        }

        _line.Enqueue(job);
    }

    private void Leave(Job job)
    {
        Interlocked.Add(ref _piecesInLine, -job.Pieces);
        _metrics.InLine.Dec();
        _places.Release();
    }

    private List<(Job Job, int Window)> TakeTurn()
    {
        var (turn, pieces) = (new List<(Job, int)>(), 0);
        while (_line.Count > 0 && pieces < _budget)
        {
            var job = _line.Dequeue();
            for (var share = 0; job.Next < job.Windows.Count && share < Share && pieces < _budget; job.Next++)
            {
                turn.Add((job, job.Next));
                share += job.Windows[job.Next].Length;
                pieces += job.Windows[job.Next].Length;
            }

            if (job.Next < job.Windows.Count)
            {
                _line.Enqueue(job);
            }
        }

        return turn;
    }

    private void Score(List<(Job Job, int Window)> turn)
    {
        var started = Stopwatch.GetTimestamp();
        var pieces = turn.Sum(part => part.Job.Windows[part.Window].Length);
        try
        {
            var logits = _scorer.Score([.. turn.Select(part => part.Job.Windows[part.Window])], CancellationToken.None);
            for (var i = 0; i < turn.Count; i++)
            {
                turn[i].Job.Logits[turn[i].Window] = logits[i];
            }
        }
        catch (Exception error)
        {
            // Whoever was in this turn is told; the others' texts may do no harm.
            foreach (var job in turn.Select(part => part.Job).Distinct())
            {
                job.Done.TrySetException(error);
                Leave(job);
            }

            return;
        }

        Measured(pieces, turn.Count, Stopwatch.GetElapsedTime(started).TotalSeconds);
        foreach (var (job, _) in turn)
        {
            if (++job.Scored == job.Windows.Count)
            {
                Leave(job);
                job.Done.TrySetResult(job.Logits);
            }
        }
    }

    private void Measured(int pieces, int windows, double seconds)
    {
        _metrics.Turn(pieces, windows, seconds);
        Volatile.Write(ref _piecesPerSecond, pieces / Math.Max(seconds, 1e-6));
        if (pieces >= _budget)
        {
            _budget = seconds > LongTurnSeconds ? Math.Max(LeastPieces, _budget / 2) : seconds < ShortTurnSeconds ? Math.Min(MostPieces, _budget * 2) : _budget;
        }
    }

    /// <summary>A request in line.</summary>
    private sealed class Job(IReadOnlyList<int[]> windows, CancellationToken cancel)
    {
        public IReadOnlyList<int[]> Windows => windows;

        public CancellationToken Cancel => cancel;

        public int Pieces { get; } = windows.Sum(window => window.Length);

        public float[][] Logits { get; } = new float[windows.Count][];

        public TaskCompletionSource<IReadOnlyList<float[]>> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>The first window that no turn has taken.</summary>
        public int Next { get; set; }

        public int Scored { get; set; }
    }
}
