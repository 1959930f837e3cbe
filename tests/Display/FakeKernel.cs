#pragma warning disable IDE0130, CA1050, CA1515 // Names and shapes as the genuine kernel has them; ours finds them by name.
namespace Microsoft.DotNet.Interactive;

public sealed class KernelInvocationContext : IDisposable
{
    private static readonly AsyncLocal<KernelInvocationContext?> s_current = new();
    private readonly CancellationTokenSource _source = new();

    public static KernelInvocationContext? Current
    {
        get => s_current.Value;
        set => s_current.Value = value;
    }

    public List<string> Log { get; } = [];

    public CancellationToken CancellationToken => _source.IsCancellationRequested ? new(true) : _source.Token;

    public void Cancel() => _source.Cancel();

    public void Dispose() => _source.Dispose();
}

public static class KernelInvocationContextExtensions
{
    public static DisplayedValue Display(this KernelInvocationContext context, object value, params string[] mimeTypes)
    {
        context.Log.Add($"display {value}");
        return new(context);
    }
}

public class DisplayedValue(KernelInvocationContext context)
{
    public void Update(object updatedValue) => context.Log.Add($"update {updatedValue}");
}
