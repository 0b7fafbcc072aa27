internal import ApusGGUF
internal import CKernels

/// A matrix that a decoder multiplies with, (rows, cols): where its packed tiles stand in the model's memory.
struct Matrix: Sendable {
    // Safe to share: descriptors of weight types are constants.
    nonisolated(unsafe) let quant: OpaquePointer
    let rows: Int
    let cols: Int
    let offset: Int
    /// Tiles from one to the next: 2 where those of two matrices take turns.
    var stride = 1

    /// Where the tiles end that hold the first `count` rows.
    func end(ofRows count: Int) -> Int {
        let tile = apus_quant_tile_bytes(quant, cols)
        return offset + (apus_weights_bytes(quant, count, cols) - tile) * stride + tile
    }
}

/// A vector of f32 in the model's memory.
struct Vector: Sendable {
    let count: Int
    let offset: Int

    /// Some of its elements.
    func part(from first: Int, count: Int) -> Vector {
        Vector(count: count, offset: offset + first * MemoryLayout<Float>.stride)
    }
}

/// Checks every tensor that a decoder wants, once, before anything is allocated: name, shape and type.
struct WeightPlan {
    /// A tensor to load, or some of its rows.
    struct Entry {
        let tensor: TensorInfo
        var firstRow = 0
        let target: Target

        /// Bytes of the file that are read.
        var byteCount: Int {
            guard case .matrix(let matrix) = target else { return tensor.byteCount }
            return matrix.rows * tensor.rowBytes
        }
    }

    enum Target {
        case matrix(Matrix)
        case vector(Vector, quant: OpaquePointer)
    }

    let file: GGUFFile
    private(set) var entries: [Entry] = []
    private(set) var layout = ArenaLayout()

    init(file: GGUFFile) { self.file = file }

    /// Wants a matrix, (rows, cols).
    mutating func matrix(_ name: String, rows: Int, cols: Int) throws(ApusError) -> Matrix {
        guard let matrix = try optionalMatrix(name, rows: rows, cols: cols) else {
            throw missing(name, shape: [cols, rows])
        }
        return matrix
    }

    /// Wants a matrix, (rows, cols), that the file may lack.
    mutating func optionalMatrix(_ name: String, rows: Int, cols: Int) throws(ApusError) -> Matrix? {
        guard let tensor = file.tensor(named: name) else { return nil }
        let quant = try check(tensor, shape: [cols, rows])
        let bytes = apus_weights_bytes(quant, rows, cols)
        let matrix = Matrix(quant: quant, rows: rows, cols: cols, offset: try layout.add(bytes))
        entries.append(Entry(tensor: tensor, target: .matrix(matrix)))
        return matrix
    }

    /// Wants a matrix that holds several, one below the other: (the sum of rows, cols).
    mutating func fusedMatrices(_ name: String, rows: [Int], cols: Int) throws(ApusError) -> [Matrix] {
        let (tensor, quant) = try wanted(name, rows: rows.reduce(0, +), cols: cols)
        var matrices: [Matrix] = []
        var firstRow = 0
        for count in rows {
            let offset = try layout.add(apus_weights_bytes(quant, count, cols))
            let matrix = Matrix(quant: quant, rows: count, cols: cols, offset: offset)
            entries.append(Entry(tensor: tensor, firstRow: firstRow, target: .matrix(matrix)))
            matrices.append(matrix)
            firstRow += count
        }
        return matrices
    }

    /// Wants two matrices, (rows, cols) each, that are multiplied with together: if they are of one type, their tiles
    /// take turns, so that memory is read in its order.
    mutating func matrixPair(_ names: (String, String), rows: Int, cols: Int) throws(ApusError) -> (Matrix, Matrix) {
        let first = try wanted(names.0, rows: rows, cols: cols), second = try wanted(names.1, rows: rows, cols: cols)
        guard first.quant == second.quant else {
            return (try matrix(names.0, rows: rows, cols: cols), try matrix(names.1, rows: rows, cols: cols))
        }
        return try pair(
            (first.tensor, 0), (second.tensor, 0), quant: first.quant, rows: rows, cols: cols)
    }

    /// Wants a matrix that holds two of `rows` rows, one below the other, as a pair whose tiles take turns.
    mutating func fusedMatrixPair(_ name: String, rows: Int, cols: Int) throws(ApusError) -> (Matrix, Matrix) {
        let (tensor, quant) = try wanted(name, rows: 2 * rows, cols: cols)
        return try pair((tensor, 0), (tensor, rows), quant: quant, rows: rows, cols: cols)
    }

    /// Two matrices from these rows of tensors on.
    private mutating func pair(
        _ first: (TensorInfo, Int), _ second: (TensorInfo, Int), quant: OpaquePointer, rows: Int, cols: Int
    ) throws(ApusError) -> (Matrix, Matrix) {
        // Tiles are whole cache lines, so the two parts are one.
        let bytes = apus_weights_bytes(quant, rows, cols)
        let offset = try layout.add(bytes)
        _ = try layout.add(bytes)
        func add(_ source: (tensor: TensorInfo, firstRow: Int), at offset: Int) -> Matrix {
            let matrix = Matrix(quant: quant, rows: rows, cols: cols, offset: offset, stride: 2)
            entries.append(Entry(tensor: source.tensor, firstRow: source.firstRow, target: .matrix(matrix)))
            return matrix
        }
        return (add(first, at: offset), add(second, at: offset + apus_quant_tile_bytes(quant, cols)))
    }

    /// A matrix that must be there, and its weight type.
    private func wanted(
        _ name: String, rows: Int, cols: Int
    ) throws(ApusError) -> (tensor: TensorInfo, quant: OpaquePointer) {
        guard let tensor = file.tensor(named: name) else { throw missing(name, shape: [cols, rows]) }
        return (tensor, try check(tensor, shape: [cols, rows]))
    }

    /// Wants a vector of float type.
    mutating func vector(_ name: String, count: Int) throws(ApusError) -> Vector {
        guard let vector = try optionalVector(name, count: count) else { throw missing(name, shape: [count]) }
        return vector
    }

    /// Wants a vector of float type that the file may lack.
    mutating func optionalVector(_ name: String, count: Int) throws(ApusError) -> Vector? {
        guard let tensor = file.tensor(named: name) else { return nil }
        let quant = try check(tensor, shape: [count])
        guard apus_quant_act_format(quant) != APUS_ACT_Q8 else {
            throw ApusError(.unsupported, "\(describe(tensor)) has type \(tensor.type), wanted: F32, F16 or BF16")
        }
        let vector = Vector(count: count, offset: try layout.add(count * MemoryLayout<Float>.stride))
        entries.append(Entry(tensor: tensor, target: .vector(vector, quant: quant)))
        return vector
    }

    /// Refuses tensors that nothing wanted: a pass that left them out would give other numbers than the model's.
    ///
    /// - Parameters:
    ///   - unused: Names of tensors that may stand in the file without being used.
    ///   - architecture: The value of `general.architecture`, for the message.
    func checkNothingLeft(unused: Set<String>, architecture: String) throws(ApusError) {
        let known = unused.union(entries.map(\.tensor.name))
        guard let left = file.tensors.first(where: { !known.contains($0.name) }) else { return }
        throw ApusError(
            .unsupported, "\(describe(left)) is none that architecture \(ApusError.quoted(architecture)) has here")
    }

    /// The tensor's weight type, if shape and type are right.
    private func check(_ tensor: TensorInfo, shape: [Int]) throws(ApusError) -> OpaquePointer {
        // Trailing dimensions of 1 do not count.
        let found =
            tensor.shape.count > shape.count && tensor.shape.dropFirst(shape.count).allSatisfy { $0 == 1 }
            ? Array(tensor.shape.prefix(shape.count)) : tensor.shape
        guard found == shape else {
            throw ApusError(.format, "\(describe(tensor)) has shape \(tensor.shape), wanted: \(shape)")
        }
        guard let quant = apus_quant_find(tensor.type.rawValue) else {
            throw ApusError(
                .unsupported,
                "\(describe(tensor)) has type \(tensor.type), supported: \(WeightTypes.names.joined(separator: ", "))")
        }
        return quant
    }

    private func describe(_ tensor: TensorInfo) -> String {
        "\(file.paths[tensor.fileIndex]): tensor \(ApusError.quoted(tensor.name))"
    }

    private func missing(_ name: String, shape: [Int]) -> ApusError {
        ApusError(.format, "\(file.paths[0]): tensor \(ApusError.quoted(name)) is missing, wanted: shape \(shape)")
    }
}

/// The weight types that the kernels support.
public enum WeightTypes {
    /// Their names, in the order of the kernels' registry.
    public static var names: [String] {
        var names: [String] = []
        while let quant = apus_quant_at(names.count) { names.append(String(cString: apus_quant_name(quant))) }
        return names
    }

    /// Whether tensors of a type can be computed with.
    ///
    /// - Parameter ggmlType: The type's number in the file.
    /// - Returns: True when it is in the registry.
    public static func isSupported(_ ggmlType: UInt32) -> Bool { apus_quant_find(ggmlType) != nil }
}
