using Polly;
using Polly.Retry;

namespace NotebookLib.Hub;

/// <summary>A failure that may pass: no connection, an overload, a server's fault, a file that broke off.</summary>
/// <param name="reason">What happened, without addresses or headers.</param>
/// <param name="retryAfter">What the server asked for, or null.</param>
/// <param name="isFirstContact">Whether the Hub has not answered anything yet: then there may be no network at all.</param>
internal sealed class TransientHubException(string reason, TimeSpan? retryAfter = null, bool isFirstContact = false) : Exception(reason)
{
    public TimeSpan? RetryAfter => retryAfter;

    public bool IsFirstContact => isFirstContact;
}

/// <summary>
/// When to try again: the first wait, doubled each time up to 30 of it, times 1 to 1.25 by chance; Retry-After instead where the server gives it.
/// </summary>
/// <param name="settings">First wait and tries.</param>
/// <param name="clock">Waits.</param>
internal sealed class HubRetry(HubSettings settings, TimeProvider clock)
{
    // A server that asks for a day is not obeyed: then one try is enough.
    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromMinutes(10);

    // Who has no network wants to hear so, not to wait for one: a Hub that has never answered is not tried again after this.
    private static readonly TimeSpan FirstContactPatience = TimeSpan.FromSeconds(3);

    /// <summary>The wait before try <paramref name="attempt"/> + 1.</summary>
    /// <param name="attempt">0 for the first wait.</param>
    /// <param name="retryAfter">What the server asked for.</param>
    /// <param name="chance">Uniform in [0, 1).</param>
    public TimeSpan Delay(int attempt, TimeSpan? retryAfter, double chance)
        => retryAfter is { } asked
            ? TimeSpan.FromTicks(Math.Max(0, asked.Ticks))
            : TimeSpan.FromSeconds(settings.RetrySeconds * Math.Min(30, Math.Pow(2, Math.Min(attempt, 30))) * (1 + (0.25 * chance)));

    /// <summary>Does something until it works or the tries are used up.</summary>
    /// <param name="what">The deed, for messages.</param>
    /// <param name="observer">Hears of each wait.</param>
    /// <param name="tries">How often to try again; null for the settings'.</param>
    /// <param name="work">Throws <see cref="TransientHubException"/> for what may pass.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="HubException">Unreachable: it never worked.</exception>
    public async Task<T> RunAsync<T>(string what, IHubObserver? observer, int? tries, Func<CancellationToken, Task<T>> work, CancellationToken cancel)
    {
        var (count, started) = (0, clock.GetTimestamp());
        try
        {
            return await Build(what, observer, tries ?? settings.Tries, started).ExecuteAsync(
                async token =>
                {
                    count++;
                    return await work(token).ConfigureAwait(false);
                },
                cancel).ConfigureAwait(false);
        }
        catch (TransientHubException last) when (last.IsFirstContact)
        {
            throw new HubException(HubFault.Unreachable, $"{what}: {settings.Endpoint} cannot be reached ({last.Message.TrimEnd('.')}); is there a network?");
        }
        catch (TransientHubException last)
        {
            throw new HubException(HubFault.Unreachable,
                $"{what}: {last.Message}" + (last.RetryAfter is { } wait ? Invariant($"; the Hub asks to wait {wait.TotalSeconds:0} s") : "")
                + $" (tried {count} {(count == 1 ? "time" : "times")}). Run it again later: what has arrived is kept. "
                    + "HF_HUB_OFFLINE=1 works from the cache alone");
        }
    }

    private ResiliencePipeline Build(string what, IHubObserver? observer, int tries, long started) =>
        tries == 0 ? ResiliencePipeline.Empty : new ResiliencePipelineBuilder { TimeProvider = clock }
        .AddRetry(new RetryStrategyOptions
        {
            ShouldHandle = new PredicateBuilder().Handle<TransientHubException>(failure => (failure.RetryAfter is not { } wait || wait <= LongestRetryAfter)
                && (!failure.IsFirstContact || clock.GetElapsedTime(started) < FirstContactPatience)),
            MaxRetryAttempts = tries,
            DelayGenerator = retry => ValueTask.FromResult<TimeSpan?>(
                Delay(retry.AttemptNumber, (retry.Outcome.Exception as TransientHubException)?.RetryAfter, Random.Shared.NextDouble())),
            OnRetry = retry =>
            {
                observer?.Noticed(Invariant($"{what}: {retry.Outcome.Exception?.Message}; trying again in {retry.RetryDelay.TotalSeconds:0.#} s"));
                return default;
            },
        })
        .Build();
}
