using Prometheus;

namespace NotebookRunner.Serving;

/// <summary>What <c>/metrics</c> tells: of requests and of the network's turns, nothing of a text.</summary>
internal sealed class ServerMetrics
{
    private readonly CollectorRegistry _registry = Metrics.NewCustomRegistry();
    private readonly Counter _requests;
    private readonly Histogram _requestSeconds;
    private readonly Counter _pieces;
    private readonly Histogram _turnSeconds;
    private readonly Histogram _turnWindows;

    public ServerMetrics()
    {
        var make = Metrics.WithCustomRegistry(_registry);
        DotNetStats.Register(_registry);
        _requests = make.CreateCounter("ner_requests_total", "Inference requests answered, by HTTP status.", "status");
        _requestSeconds = make.CreateHistogram("ner_request_seconds", "Time from an inference request's header to its answer.",
            new HistogramConfiguration { Buckets = Histogram.ExponentialBuckets(0.001, 2, 16) });
        Texts = make.CreateCounter("ner_texts_total", "Texts answered.");
        _pieces = make.CreateCounter("ner_pieces_total", "Pieces that the network has scored.");
        _turnSeconds = make.CreateHistogram("ner_turn_seconds", "Time of one call of the network.",
            new HistogramConfiguration { Buckets = Histogram.ExponentialBuckets(0.001, 2, 16) });
        _turnWindows = make.CreateHistogram("ner_turn_windows", "Texts, or windows of long texts, in one call of the network.",
            new HistogramConfiguration { Buckets = Histogram.ExponentialBuckets(1, 2, 12) });
        InLine = make.CreateGauge("ner_requests_in_line", "Requests that wait for the network or are in it.");
        Dropped = make.CreateCounter("ner_requests_dropped_total", "Requests dropped from the line because their client had gone or their time was over.");
    }

    public Counter Texts { get; }

    public Gauge InLine { get; }

    public Counter Dropped { get; }

    /// <summary>An inference request was answered.</summary>
    public void Answered(int status, double seconds)
    {
        _requests.WithLabels(status.ToString(System.Globalization.CultureInfo.InvariantCulture)).Inc();
        _requestSeconds.Observe(seconds);
    }

    /// <summary>The network was called.</summary>
    public void Turn(int pieces, int windows, double seconds)
    {
        _pieces.Inc(pieces);
        _turnWindows.Observe(windows);
        _turnSeconds.Observe(seconds);
    }

    /// <summary>All in Prometheus' text format.</summary>
    public async Task<byte[]> ToTextAsync(CancellationToken cancel)
    {
        using var text = new MemoryStream();
        await _registry.CollectAndExportAsTextAsync(text, cancel);
        return text.ToArray();
    }
}
