/**
 * How likely o200k splits a word between two letters, fitted by least squares on the tokenizer's own output over English
 * prose, code, JSON, prompts, random text and the 50 Latin-script languages of Django's translations. One row per first
 * letter (word start, a–z, any other Latin letter), one character per second letter (unused, a–z, other); a character is
 * the weight in steps of `step` above `floor`, coded from `#` on without quote and backslash.
 */
const rows = [
  '=;;6$2>>1C;8154E6I;./GC=B1FX',
  '=W@@,XQ=HMVD.79`6_;;-LKFH$Rg',
  '=LT]U;f[OY:Z6SaC_jKCQIfXdEci',
  '=KdFW7]X6Lc79UWJLdE</O_feEci',
  '=cdkKEocr`_RMQ]atxbNkehgiPp~',
  '=Z_QCKUU^eqaGMFdUXBDHjWMFMii',
  '=LZVQ9INi=lVFV^GQgFW:RYQORj`',
  '=X[`R:hKDN_dFYJRbsKGDXbalKmg',
  '=W^s`CnboUqdYI^R`pZX6XacaVhi',
  '=C@:.0A=U[N?78/49WB5/bC^IP@V',
  '=OgcV=Yc_UbYUZTR_odB]WkSg`nc',
  '=[YeYC_VJ]fRW_OdY}iNU`nVsMrn',
  '=XU`I@WaSZp^OpgTa~cJFY`el;wy',
  '=KF^O8fYZVj]LNRJDgm>Q^jedRrn',
  '=VcJ>G]?WZ`KRPLUO}[@<_NnhTma',
  '=L;D7C;?OU[::>.HBk1?7@H1IJbg',
  '=N`]<9fhA]i]6R]JLbAH6Mad^Gp}',
  '=PTPWYiUaYig@V`_XYMSN@gfgYip',
  '=MSRA5PDQSnJIFAJTaPGDZ[`bCik',
  '=apMF?OgI_tO`VAURU[>A[bVmEmv',
  '=UbWWE]i=Xs_NUaTQ{MLLfm[h@rk',
  '=G;:1,D@MI^K%06V3a220_SM3KRO',
  '=Da^W2YGeK^PLSXOSgPOR_habNYV',
  '=U]qQ1f[<Pk`RaKB_lJQSsbLRNp~',
  '=WfQQMaofZuiaM`hKjlT?jhsaY`~',
  '=dnn_J}qlbxqdaMSS~gHNv~njizu',
  '=QlcK8PSPZ[h[VT[jgZ`UScPXEVn',
  '=JZ;CJUI5][N6E9ZNEEB>TXNC/QM',
]
const step = 0.02
const floor = -0.5
const symbols = 28

/** Index: first symbol × 28 + second. Symbols: 0 word start, 1–26 letters whatever their case, 27 other letters. */
export const splitWeights: Float64Array = decoded()

/** Tokens of a word before its letters are looked at; index: what precedes it (space, nothing, a mark) × 3 + case. */
export const wordBias: Float64Array = new Float64Array([0.36, 0.615, 0.864, 0.659, 0.868, 0.823, 0.957, 1.397, 1.316])

function decoded(): Float64Array {
  const weights = new Float64Array(symbols * symbols)
  rows.forEach((row, first) => {
    for (let second = 0; second < symbols; second++) {
      const code = row.charCodeAt(second)
      const level = code - 35 - (code > 39 ? 1 : 0) - (code > 92 ? 1 : 0)
      weights[first * symbols + second] = floor + level * step
    }
  })
  return weights
}
