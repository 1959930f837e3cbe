using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Platform;

/// <summary>
/// Operators of libtorch that TorchSharp 0.107 has no binding for, reached through constant TorchScript.
/// The script never changes at run time: a TorchScript compile error aborts the process, so a test compiles and runs every function here.
/// </summary>
internal static class TorchScriptOps
{
    private const string Script = """
        def adamw(parameters: List[Tensor], gradients: List[Tensor], first_moments: List[Tensor], second_moments: List[Tensor], steps: List[Tensor], skip: Optional[Tensor],
                  learning_rate: float, beta1: float, beta2: float, weight_decay: float, epsilon: float) -> Tensor:
            torch._fused_adamw_(parameters, gradients, first_moments, second_moments, [], steps, lr=learning_rate, beta1=beta1, beta2=beta2,
                                weight_decay=weight_decay, eps=epsilon, amsgrad=False, maximize=False, found_inf=skip)
            return steps[0]

        def norm(tensors: List[Tensor]) -> Tensor:
            return torch.linalg_vector_norm(torch.stack(torch._foreach_norm(tensors, 2)))

        def scale(tensors: List[Tensor], factor: Tensor) -> Tensor:
            torch._foreach_mul_(tensors, factor)
            return factor

        def copy(targets: List[Tensor], sources: List[Tensor]) -> Tensor:
            torch._foreach_copy_(targets, sources)
            return targets[0]
        """;

    private static readonly Lazy<jit.CompilationUnit> Unit = new(Compile);

    /// <summary>
    /// One AdamW update of many tensors in one call (<c>torch._fused_adamw_</c>): Loshchilov and Hutter 2019, algorithm 2, without AMSGrad.
    /// Costs about a tenth of <c>torch.optim.AdamW</c>; equals it to float32 rounding.
    /// </summary>
    /// <param name="parameters">Changed in place; float32, any shapes.</param>
    /// <param name="gradients">One per parameter, same shapes.</param>
    /// <param name="firstMoments">Running means of the gradients, changed in place.</param>
    /// <param name="secondMoments">Running means of the squared gradients, changed in place.</param>
    /// <param name="step">Number of this update, from 1.</param>
    /// <param name="rates">Learning rate, betas, decay and epsilon.</param>
    /// <param name="skip">Scalar, float32, on the parameters' device: 1 leaves everything as it is, without the host knowing. Null makes the update.</param>
    /// <exception cref="ArgumentException">The four lists differ in length.</exception>
    public static void AdamWStep(Tensor[] parameters, Tensor[] gradients, Tensor[] firstMoments, Tensor[] secondMoments, int step, AdamWRates rates,
        Tensor? skip = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(step, 1);
        // Filled there: a number sent over would wait for what is queued on the device.
        using var count = full([], step, ScalarType.Float32, parameters.Length == 0 ? CPU : parameters[0].device);
        AdamWStep(parameters, gradients, firstMoments, secondMoments, count, rates, skip);
    }

    /// <inheritdoc cref="AdamWStep(Tensor[], Tensor[], Tensor[], Tensor[], int, AdamWRates, Tensor)"/>
    /// <param name="parameters">Changed in place; float32, any shapes.</param>
    /// <param name="gradients">One per parameter, same shapes.</param>
    /// <param name="firstMoments">Running means of the gradients, changed in place.</param>
    /// <param name="secondMoments">Running means of the squared gradients, changed in place.</param>
    /// <param name="step">Number of this update, from 1; a float32 scalar on the parameters' device, whose value need not leave it.</param>
    /// <param name="rates">Learning rate, betas, decay and epsilon.</param>
    /// <param name="skip">1 leaves everything as it is, 0 makes the update: a float32 scalar on the parameters' device; null makes it.</param>
    public static void AdamWStep(
        Tensor[] parameters, Tensor[] gradients, Tensor[] firstMoments, Tensor[] secondMoments, Tensor step, AdamWRates rates, Tensor? skip = null)
    {
        if (gradients.Length != parameters.Length || firstMoments.Length != parameters.Length || secondMoments.Length != parameters.Length)
        {
            throw new ArgumentException($"AdamW needs as many gradients and moments as parameters: {parameters.Length} parameters, "
                + $"{gradients.Length} gradients, {firstMoments.Length} and {secondMoments.Length} moments.", nameof(gradients));
        }

        if (parameters.Length == 0)
        {
            return;
        }

        using var scope = NewDisposeScope();
        var steps = Enumerable.Repeat(step, parameters.Length).ToArray();
        Invoke("adamw", parameters, gradients, firstMoments, secondMoments, steps, skip!,
            rates.LearningRate, rates.Beta1, rates.Beta2, rates.WeightDecay, rates.Epsilon);
    }

    /// <summary>The 2-norm over all elements of many tensors, computed as <c>clip_grad_norm_</c> does: the norm of the tensors' norms.</summary>
    /// <param name="tensors">At least one tensor, any shapes.</param>
    /// <returns>The norm, scalar, on the tensors' device.</returns>
    public static Tensor TotalNorm(Tensor[] tensors) => (Tensor)Invoke("norm", [tensors])!;

    /// <summary>Copies many tensors in one call, each into one of the same shape, whatever its type.</summary>
    /// <param name="targets">Written over.</param>
    /// <param name="sources">As many.</param>
    public static void CopyAll(Tensor[] targets, Tensor[] sources)
    {
        if (targets.Length > 0)
        {
            (Invoke("copy", targets, sources) as Tensor)?.Dispose();
        }
    }

    /// <summary>Multiplies many tensors in place.</summary>
    /// <param name="tensors">Changed in place.</param>
    /// <param name="factor">Scalar tensor on the same device: the value need not leave it.</param>
    public static void ScaleInPlace(Tensor[] tensors, Tensor factor)
    {
        if (tensors.Length > 0)
        {
            (Invoke("scale", tensors, factor) as Tensor)?.Dispose();
        }
    }

    private static jit.CompilationUnit Compile()
    {
        NativeLibraries.EnsureLoaded();
        return jit.compile(Script + "\n"); // The parser wants the last line ended.
    }

    // Without no_grad the in-place update of a leaf that requires grad is refused. Scalars are made here, not by the callee's implicit
    // conversion: TorchSharp passes raw handles, and a finaliser may free a temporary before the native code reads it.
    private static object? Invoke(string function, params object[] arguments)
    {
        using var noGrad = no_grad();
        var scalars = new List<Scalar>();
        for (var i = 0; i < arguments.Length; i++)
        {
            if (arguments[i] is double number)
            {
                var scalar = number.ToScalar();
                scalars.Add(scalar);
                arguments[i] = scalar;
            }
        }

        try
        {
            return Unit.Value.invoke(function, arguments);
        }
        finally
        {
            scalars.ForEach(scalar => scalar.Dispose());
            GC.KeepAlive(arguments);
        }
    }
}

/// <summary>The numbers of one AdamW update.</summary>
/// <param name="LearningRate">Step size of this update.</param>
/// <param name="WeightDecay">Decoupled decay per unit of learning rate.</param>
/// <param name="Beta1">Decay of the running mean of gradients.</param>
/// <param name="Beta2">Decay of the running mean of squared gradients.</param>
/// <param name="Epsilon">Added to the denominator.</param>
internal sealed record AdamWRates(double LearningRate, double WeightDecay, double Beta1 = 0.9, double Beta2 = 0.999, double Epsilon = 1e-8);
