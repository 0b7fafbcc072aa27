// One tensor of a GGUF file: what the header says about it, checked.

/// A tensor's name, shape, type and place in the file.
///
/// Every figure has been checked when the file was opened: the products do not overflow, the row length is a multiple of
/// the type's block size, and the bytes lie inside the file.
public struct TensorInfo: Sendable, Hashable {
    /// The tensor's name, such as `blk.0.attn_q.weight`.
    public let name: String
    /// The lengths of the dimensions, ggml's order: `shape[0]` is the length of a row, the fastest. 1 to 4 entries.
    public let shape: [Int]
    /// The type of the values.
    public let type: GGMLType
    /// The number of values.
    public let elementCount: Int
    /// The size of the data in bytes; 0 for a type that is not known.
    public let byteCount: Int
    /// Which file of a split set holds the data, an index into `GGUFFile.paths`.
    public let fileIndex: Int
    /// Where the data begins, in bytes from the beginning of that file.
    public let offset: Int

    /// The number of rows: the product of all dimensions but the first.
    public var rowCount: Int { shape.dropFirst().reduce(1, *) }

    /// The size of a row in bytes; 0 for a type that is not known.
    public var rowBytes: Int { (shape.first ?? 0) / type.blockSize * type.blockBytes }

    init(name: String, shape: [Int], type: GGMLType, elementCount: Int, byteCount: Int, fileIndex: Int, offset: Int) {
        self.name = name
        self.shape = shape
        self.type = type
        self.elementCount = elementCount
        self.byteCount = byteCount
        self.fileIndex = fileIndex
        self.offset = offset
    }

    /// The number of values and of bytes of a tensor, or nil when a product overflows, a dimension is below 1 or a row
    /// is no whole number of blocks.
    ///
    /// - Parameters:
    ///   - shape: The lengths of the dimensions.
    ///   - type: The type of the values.
    public static func size(shape: [Int], type: GGMLType) -> (elements: Int, bytes: Int)? {
        guard let row = shape.first, row % type.blockSize == 0 else { return nil }
        var elements = 1
        for length in shape {
            let (product, overflow) = elements.multipliedReportingOverflow(by: length)
            guard length >= 1, !overflow else { return nil }
            elements = product
        }
        let (bytes, overflow) = (elements / type.blockSize).multipliedReportingOverflow(by: type.blockBytes)
        return overflow ? nil : (elements, bytes)
    }
}
