// Numbers as text, without Foundation.

/// A number with a fixed count of digits after the point.
func decimal(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
    var scale = 1
    for _ in 0..<digits { scale *= 10 }
    guard digits > 0, abs(value) * Double(scale) < 9e18 else { return String(Int(value.rounded())) }
    let scaled = Int((abs(value) * Double(scale)).rounded())
    let fraction = String(scaled % scale)
    let zeros = String(repeating: "0", count: digits - fraction.count)
    return "\(value < 0 && scaled > 0 ? "-" : "")\(scaled / scale).\(zeros)\(fraction)"
}

/// A count of bytes in the unit that suits it, powers of ten: "91.7 MB".
func byteCount(_ bytes: Int) -> String {
    var value = Double(bytes)
    var unit = "B"
    for next in ["kB", "MB", "GB", "TB"] where value >= 999.95 {
        value /= 1000
        unit = next
    }
    return unit == "B" ? "\(bytes) B" : "\(decimal(value, 1)) \(unit)"
}
