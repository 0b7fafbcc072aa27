// libFuzzer's entry for the GGUF reader: any bytes must give a file or an error, never a trap or a bad access.

import ApusGGUF

/// Opens the bytes as a file and then touches everything in it, as the loader and `apus inspect` would.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: data, count: count))
    do throws(ApusError) {
        use(try GGUFFile(bytes: bytes, name: "fuzz.gguf"))
    } catch {
        check(error)
    }
    return 0
}

private func use(_ file: GGUFFile) {
    for (key, value) in file.metadata.entries {
        require(!value.description.isEmpty && !value.typeDescription.isEmpty, "a value without a description")
        attempt { () throws(ApusError) in try file.metadata.int(key, in: 0...1000) }
        attempt { () throws(ApusError) in try file.metadata.float(key) }
        attempt { () throws(ApusError) in try file.metadata.bool(key) }
        attempt { () throws(ApusError) in try file.metadata.string(key) }
        attempt { () throws(ApusError) in try file.metadata.intArray(key) }
        attempt { () throws(ApusError) in try file.metadata.optionalInt32Array(key, count: 3) }
        attempt { () throws(ApusError) in try file.metadata.floatArray(key) }
        attempt { () throws(ApusError) in try file.metadata.optionalBoolArray(key) }
        attempt { () throws(ApusError) in
            let strings = try file.metadata.stringArray(key)
            for index in strings.indices {
                require(strings.bytes(at: index).count == strings.byteCount(at: index), "a string of another length")
            }
        }
    }
    var total = 0
    for tensor in file.tensors {
        require(tensor.rowCount * tensor.rowBytes == tensor.byteCount, "rows that do not make up the tensor")
        require(file.tensor(named: tensor.name) == tensor, "a tensor that is not found by its name")
        attempt { () throws(ApusError) in
            require(try file.bytes(of: tensor).count == tensor.byteCount, "fewer bytes than the tensor has")
        }
        total += tensor.byteCount
    }
    require(total <= file.fileBytes, "tensors that are larger than the file")
}

private func attempt<T>(_ body: () throws(ApusError) -> T) {
    do throws(ApusError) { _ = try body() } catch { check(error) }
}

/// Holds an error to what every message has to be: one line for a terminal.
private func check(_ error: ApusError) {
    require(!error.message.isEmpty, "an error without a message")
    require(
        error.message.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 },
        "a message with control characters")
    require(error.code != .internalError, "an internal error: \(error)")
}

private func require(_ condition: Bool, _ message: @autoclosure () -> String) {
    precondition(condition, message())
}
