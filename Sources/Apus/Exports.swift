// `import Apus` is all that a program needs: what its interface is made of comes with it.
//
// Of ApusModel only that, since the rest is about how steps are computed, and its `Decoder` would hide Swift's protocol of the
// same name from every program that imports Apus.

@_exported public import ApusGGUF
@_exported public import ApusJSON
@_exported public import class ApusModel.CancellationFlag
@_exported public import class ApusModel.DecoderWeights
@_exported public import enum ApusModel.InstructionSet
@_exported public import struct ApusModel.LogitsHash
@_exported public import enum ApusModel.SystemMemory
@_exported public import ApusTemplate
@_exported public import ApusTokenizer
