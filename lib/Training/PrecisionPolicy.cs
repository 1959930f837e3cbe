using NotebookLib.Model;
using NotebookLib.Platform;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Training;

/// <summary>What a precision promises: in which type matrix products run, and what stays float32.</summary>
/// <param name="Precision">The choice.</param>
/// <param name="Device">Where the model lies.</param>
public sealed record PrecisionPolicy(TrainingPrecision Precision, DeviceType Device)
{
    /// <summary>
    /// Half precision as it is worth its while here: bfloat16, which needs no loss scale, on a CPU and on a CUDA device that has it in hardware (compute
    /// capability 8.0 on); float16 on an older one.
    /// </summary>
    public static TrainingPrecision Half => cuda.is_available() ? HalfOf(DeviceUsage.ComputeCapability(CUDA)) : TrainingPrecision.BFloat16;

    /// <summary>What is worth its while on a CUDA device.</summary>
    /// <param name="computeCapability">Its major number; null where the driver does not tell.</param>
    internal static TrainingPrecision HalfOf(int? computeCapability) => computeCapability >= 8 ? TrainingPrecision.BFloat16 : TrainingPrecision.Float16;

    /// <summary>The type of matrix products.</summary>
    public ScalarType ProductType => Precision switch
    {
        TrainingPrecision.BFloat16 => ScalarType.BFloat16,
        TrainingPrecision.Float16 => ScalarType.Float16,
        _ => ScalarType.Float32,
    };

    /// <summary>True when the loss is scaled before the backward pass.</summary>
    public bool NeedsLossScale => Precision == TrainingPrecision.Float16;

    /// <summary>Checks before the run that the precision can be had here.</summary>
    /// <exception cref="PlatformNotSupportedException">It cannot; the message says what to choose instead.</exception>
    public void EnsureAvailable()
    {
        if (Precision == TrainingPrecision.Int8)
        {
            Int8Products.EnsureAvailable();
        }
        else if (Precision != TrainingPrecision.Float32)
        {
            Autocast.EnsureAvailable();
        }
    }

    /// <summary>Opens the policy around a forward pass; the backward pass follows the types that the forward left.</summary>
    /// <returns>The open scope, or null for float32.</returns>
    /// <exception cref="PlatformNotSupportedException">See <see cref="EnsureAvailable"/>.</exception>
    public IDisposable? Enter() => Precision switch
    {
        TrainingPrecision.Float32 => null,
        TrainingPrecision.Int8 => Int8Products.Enter(),
        _ => Autocast.Enter(ProductType, Device),
    };
}
