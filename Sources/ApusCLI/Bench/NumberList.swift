// Lists of numbers as llama-bench's users write them.

package import ApusGGUF

/// Lists of numbers: `1,2,8`, ranges `1-4`, `8-64+8` and `1-16*2`, in any combination.
package enum NumberList {
    /// Far more tests than anybody waits for; what asks for more is a slip.
    private static let mostNumbers = 10_000

    /// Reads a list.
    ///
    /// - Parameter text: Numbers and ranges with commas between them; a comma at the end does not count.
    /// - Returns: At least one number, each from 0 to 2^31 - 1, in the order written.
    /// - Throws: `ApusError` with code `invalidArgument` that says what is wanted.
    package static func parse(_ text: String) throws(ApusError) -> [Int] {
        var numbers: [Int] = []
        var items = text.split(separator: ",", omittingEmptySubsequences: false)
        if items.count > 1, items.last?.isEmpty == true { items.removeLast() }
        for item in items { try append(item, to: &numbers) }
        return numbers
    }

    private static func append(_ item: Substring, to numbers: inout [Int]) throws(ApusError) {
        let bounds = item.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let first = try number(bounds[0], of: item)
        guard bounds.count == 2 else { return numbers.append(first) }
        let sign = bounds[1].firstIndex { $0 == "+" || $0 == "*" }
        let last = try number(sign.map { bounds[1][..<$0] } ?? bounds[1], of: item)
        let step = try sign.map { sign throws(ApusError) in try number(bounds[1][sign...].dropFirst(), of: item) } ?? 1
        let multiplies = sign.map { bounds[1][$0] } == "*"
        guard first <= last else {
            throw ApusError(.invalidArgument, "\(ApusError.quoted(String(item))) goes downwards, wanted: first-last")
        }
        guard multiplies ? step > 1 && first > 0 : step > 0 else {
            throw ApusError(
                .invalidArgument, "\(ApusError.quoted(String(item))) never ends, wanted: a step that leads upwards")
        }
        var next = first
        while next <= last {
            guard numbers.count < mostNumbers else {
                throw ApusError(
                    .invalidArgument, "\(ApusError.quoted(String(item))) has too many numbers, wanted: \(mostNumbers)")
            }
            numbers.append(next)
            // Both are below 2^31: no overflow.
            next = multiplies ? next * step : next + step
        }
    }

    private static func number(_ text: Substring, of item: Substring) throws(ApusError) -> Int {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text),
            number <= Int(Int32.max)
        else {
            throw ApusError(
                .invalidArgument,
                "\(ApusError.quoted(String(item))) is no number or range, wanted: 8, 1-4, 8-64+8 or 1-16*2")
        }
        return number
    }
}
