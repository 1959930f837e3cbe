using System.Collections.Immutable;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace NotebookLib.Tests.House;

/// <summary>
/// Which folders of <c>lib/</c> ("rooms") use which, read from the compiled library: base types, interfaces, attributes, signatures, locals and every
/// instruction of every method. A use by a full name, through a global using or an extension method is seen as any other; a constant that the compiler copied
/// is not.
/// </summary>
internal sealed class RoomUses
{
    private const string Root = "NotebookLib";
    private static readonly Dictionary<short, OpCode> s_operations = typeof(OpCodes).GetFields()
        .Select(field => (OpCode)field.GetValue(null)!).ToDictionary(operation => operation.Value);

    private readonly MetadataReader _metadata;
    private readonly PEReader _image;

    private RoomUses(PEReader image) => (_image, _metadata) = (image, image.GetMetadataReader());

    /// <summary>Every use of a type of one room by a type of another: user's name, user's room, used type's name and room.</summary>
    public static IReadOnlyList<(string User, string UserRoom, string Used, string UsedRoom)> Of(string libraryPath)
    {
        using var image = new PEReader(File.OpenRead(libraryPath));
        var uses = new RoomUses(image);
        return [.. uses.All().Distinct()];
    }

    private IEnumerable<(string User, string UserRoom, string Used, string UsedRoom)> All()
    {
        foreach (var handle in _metadata.TypeDefinitions)
        {
            if (RoomOf(handle) is not { } room)
            {
                continue;
            }

            foreach (var used in UsedBy(_metadata.GetTypeDefinition(handle)).Distinct())
            {
                if (RoomOf(used) is { } other && other != room)
                {
                    yield return (NameOf(handle), room, NameOf(used), other);
                }
            }
        }
    }

    private HashSet<TypeDefinitionHandle> UsedBy(TypeDefinition type)
    {
        var found = new Found();
        Add(type.BaseType, found);
        foreach (var implementation in type.GetInterfaceImplementations())
        {
            Add(_metadata.GetInterfaceImplementation(implementation).Interface, found);
        }

        foreach (var attribute in type.GetCustomAttributes())
        {
            Add(_metadata.GetCustomAttribute(attribute).Constructor, found);
        }

        foreach (var field in type.GetFields())
        {
            _metadata.GetFieldDefinition(field).DecodeSignature(found, null);
        }

        foreach (var handle in type.GetMethods())
        {
            var method = _metadata.GetMethodDefinition(handle);
            method.DecodeSignature(found, null);
            if (method.RelativeVirtualAddress != 0)
            {
                AddBody(_image.GetMethodBody(method.RelativeVirtualAddress), found);
            }
        }

        return found.Types;
    }

    private void AddBody(MethodBodyBlock body, Found found)
    {
        if (!body.LocalSignature.IsNil)
        {
            _metadata.GetStandaloneSignature(body.LocalSignature).DecodeLocalSignature(found, null);
        }

        foreach (var region in body.ExceptionRegions)
        {
            Add(region.CatchType, found);
        }

        var reader = body.GetILReader();
        while (reader.RemainingBytes > 0)
        {
            var first = reader.ReadByte();
            var operation = s_operations[first == 0xFE ? unchecked((short)(0xFE00 | reader.ReadByte())) : first];
            switch (operation.OperandType)
            {
                case OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineTok or OperandType.InlineType:
                    Add((EntityHandle)MetadataTokens.Handle(reader.ReadInt32()), found);
                    break;
                case OperandType.InlineSwitch:
                    var count = reader.ReadInt32();
                    reader.Offset += 4 * count;
                    break;
                default:
                    reader.Offset += operation.OperandType switch
                    {
                        OperandType.InlineNone => 0,
                        OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                        OperandType.InlineVar => 2,
                        OperandType.InlineI8 or OperandType.InlineR => 8,
                        _ => 4,
                    };
                    break;
            }
        }
    }

    private void Add(EntityHandle handle, Found found)
    {
        if (handle.IsNil)
        {
            return;
        }

        switch (handle.Kind)
        {
            case HandleKind.TypeDefinition:
                found.Types.Add((TypeDefinitionHandle)handle);
                break;
            case HandleKind.TypeSpecification:
                _metadata.GetTypeSpecification((TypeSpecificationHandle)handle).DecodeSignature(found, null);
                break;
            case HandleKind.MethodDefinition:
                found.Types.Add(_metadata.GetMethodDefinition((MethodDefinitionHandle)handle).GetDeclaringType());
                break;
            case HandleKind.FieldDefinition:
                found.Types.Add(_metadata.GetFieldDefinition((FieldDefinitionHandle)handle).GetDeclaringType());
                break;
            case HandleKind.MethodSpecification:
                var generic = _metadata.GetMethodSpecification((MethodSpecificationHandle)handle);
                generic.DecodeSignature(found, null);
                Add(generic.Method, found);
                break;
            case HandleKind.MemberReference:
                Add(_metadata.GetMemberReference((MemberReferenceHandle)handle).Parent, found);
                break;
            default:
                break;
        }
    }

    /// <summary>
    /// The folder whose namespace the type, or the outermost type around it, lives in; null for what the compiler or a generator puts elsewhere.
    /// </summary>
    private string? RoomOf(TypeDefinitionHandle handle)
    {
        var type = _metadata.GetTypeDefinition(handle);
        while (type.IsNested)
        {
            type = _metadata.GetTypeDefinition(type.GetDeclaringType());
        }

        var parts = _metadata.GetString(type.Namespace).Split('.');
        return parts.Length > 1 && parts[0] == Root ? parts[1] : null;
    }

    private string NameOf(TypeDefinitionHandle handle)
    {
        var type = _metadata.GetTypeDefinition(handle);
        return type.IsNested ? NameOf(type.GetDeclaringType()) : _metadata.GetString(type.Name);
    }

    /// <summary>Gathers the library's own types out of signatures.</summary>
    private sealed class Found : ISignatureTypeProvider<bool, object?>
    {
        public HashSet<TypeDefinitionHandle> Types { get; } = [];

        public bool GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind) => Types.Add(handle);

        public bool GetTypeFromSpecification(MetadataReader reader, object? genericContext, TypeSpecificationHandle handle, byte rawTypeKind) =>
            reader.GetTypeSpecification(handle).DecodeSignature(this, genericContext);

        public bool GetArrayType(bool elementType, ArrayShape shape) => false;

        public bool GetByReferenceType(bool elementType) => false;

        public bool GetFunctionPointerType(MethodSignature<bool> signature) => false;

        public bool GetGenericInstantiation(bool genericType, ImmutableArray<bool> typeArguments) => false;

        public bool GetGenericMethodParameter(object? genericContext, int index) => false;

        public bool GetGenericTypeParameter(object? genericContext, int index) => false;

        public bool GetModifiedType(bool modifier, bool unmodifiedType, bool isRequired) => false;

        public bool GetPinnedType(bool elementType) => false;

        public bool GetPointerType(bool elementType) => false;

        public bool GetPrimitiveType(PrimitiveTypeCode typeCode) => false;

        public bool GetSZArrayType(bool elementType) => false;

        public bool GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind) => false;
    }
}
