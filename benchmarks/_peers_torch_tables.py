"""What of PyTorch is asked: T is torch, F torch.nn.functional, L torch.linalg, S torch.special."""

from typing import Any

_POSITIVE = ("p34", {"domain": (0, None)})
# Where a function's documentation restricts it.
DOMAINS: dict[str, tuple[str, dict[str, Any]]] = {
    **dict.fromkeys(("log", "log2", "log10", "sqrt", "rsqrt", "entr"), _POSITIVE),
    **dict.fromkeys(("bessel_y0", "bessel_y1", "modified_bessel_k0", "modified_bessel_k1"), _POSITIVE),
    **dict.fromkeys(("acos", "asin", "atanh", "arccos", "arcsin", "arctanh", "erfinv"), ("a34", {"domain": (-1, 1)})),
    **dict.fromkeys(("logit", "ndtri"), ("u34", {"domain": (0, 1)})),
    **dict.fromkeys(("acosh", "arccosh"), ("g34", {"domain": (1, None)})),
    "log1p": ("p34", {"domain": (-1, None)}),
    **dict.fromkeys(("digamma", "psi", "gammaln", "lgamma", "reciprocal"), ("p34", {})),
}
_TORCH = """
abs acos acosh asin asinh atan atanh ceil cos cosh deg2rad digamma erf erfc erfinv exp exp2 expm1 floor frac i0 lgamma
log log10 log1p log2 logit nan_to_num neg rad2deg reciprocal relu round rsqrt selu sigmoid sign sin sinc sinh sqrt
square tan tanh trunc
"""
_SPECIAL = "entr erfcx expit gammaln i0e i1 i1e log_ndtr ndtr ndtri psi sinc"
# Of torch and torch.special, functions of one tensor that keep its shape; another name of one stands once.
ELEMENTWISE = [f"T.{name}(x)" for name in _TORCH.split()] + [f"S.{name}(x)" for name in _SPECIAL.split()]

TABLES: dict[str, str] = {}
TABLES["torch"] = """
T.add(x, y, alpha=2) | n34 n4
T.mul(x, y) | n34 n4
T.div(x, y) | n34 p34
T.pow(x, y) | p34 n34 | domain=[(0, None), None]
T.pow(x, 3) | n34
T.atan2(x, y) | n34 n34
T.hypot(x, y) | n34 n34
T.maximum(x, y) | n34 n34
T.minimum(x, y) | t34 n34
T.fmod(x, y) | n34 p34
T.remainder(x, y) | n34 p34
T.lerp(x, y, 0.3) | n34 n34
T.logaddexp(x, y) | n34 n34
T.xlogy(x, y) | p34 p34 | domain=[None, (0, None)]
T.copysign(x, y) | n34 n34
T.addcmul(x, y, z) | n34 n34 n34
T.addcdiv(x, y, z) | n34 n34 p34
T.clamp(x, -0.5, 0.5) | n34
T.sum(x, dim=1) | n34
T.mean(x, dim=0, keepdim=True) | n34
T.prod(x) | n5
T.prod(x, dim=1) | z34
T.var(x) | n5
T.std(x, dim=1) | n34
T.var_mean(x, dim=0) | n43
T.norm(x) | n34
T.logsumexp(x, 1) | n34
T.logsumexp(x, 0) | w34
T.cumsum(x, 1) | n34
T.cumprod(x, 0) | n43
T.cumprod(x, 0) | z5
T.cummax(x, 0)[0] | n43
T.logcumsumexp(x, 1) | n34
T.max(x) | n34
T.max(x, 1)[0] | n34
T.amax(x, 1) | t34
T.amin(x, 0) | n34
T.aminmax(x) | n5
T.median(x) | n5
T.quantile(x, 0.3) | n6
T.kthvalue(x, 2)[0] | n5
T.sort(x, 0)[0] | n43
T.topk(x, 2)[0] | n35
T.mm(x, y) | n34 n42
T.bmm(x, y) | n234 n245
T.mv(x, y) | n34 n4
T.dot(x, y) | n4 n4
T.matmul(x, y) | n234 n42
T.addmm(x, y, z, beta=0.5, alpha=2) | n32 n34 n42
T.baddbmm(x, y, z) | n235 n234 n245
T.einsum('bij,bj->bi', x, y) | n234 n24
T.tensordot(x, y, dims=2) | n234 n342
T.outer(x, y) | n3 n4
T.kron(x, y) | n22 n23
T.cross(x, y, dim=1) | n43 n43
T.cdist(x, y) | n43 n53
T.cdist(x, y, p=1.0) | n43 n53
T.cosine_similarity(x, y) | n34 n34
T.trace(x) | n44
T.diag(x) | n4
T.diagonal(x, 1) | n44
T.diag_embed(x) | n34
T.tril(x, -1) | n44
T.triu(x) | n34
T.cat([x, y], 1) | n32 n34
T.stack([x, y], 1) | n34 n34
T.flip(x, [0]) | n34
T.roll(x, 1, 1) | n34
T.rot90(x) | n34
T.repeat_interleave(x, 2, 1) | n34
T.tile(x, (2, 1)) | n34
T.where(y, x, 2 * x) | n34 b34
T.gather(x, 1, y) | n34 k32
T.index_select(x, 0, y) | n34 k4
T.take(x, y) | n34 k5
T.scatter_add(x, 0, y, z) | n5 k4 n4
T.index_add(x, 0, y, z) | n53 k4 n43
T.scatter_reduce(x, 0, y, z, 'prod') | n5 k4 p4
T.scatter_reduce(x, 0, y, z, 'amax') | n5 k4 n4
T.masked_fill(x, y, 0.0) | n34 b34
T.masked_select(x, T.tensor([True, False, True, True, False])) | n5
T.diff(x, n=2) | n6
T.gradient(x)[0] | n6
T.trapezoid(x, y) | n5 n5
T.cov(x) | n35
T.corrcoef(x) | n35
T.renorm(x, 2, 0, 1.0) | n34
T.unfold_copy(x, 0, 3, 1) | n6
T.meshgrid(x, y, indexing='ij') | n3 n4
T.dist(x, y) | n34 n34
T.cartesian_prod(x, y) | n3 n2
T.block_diag(x, y) | n23 n32
T.combinations(x) | n4
T.logdet(x) | s33 | structure={'x': 'positive_definite'}
T.cholesky_solve(x, y) | n32 l33 | structure={'y': 'lower_triangular'}
T.inverse(x) | n33
T.pinverse(x) | n43
T.matrix_exp(x) | n33
T.polygamma(1, x) | p5 | domain=(0, None)
T.mvlgamma(x, 3) | g4 | domain=(1, None)
T.igamma(y, x) | p4 p4 | domain=(0, None), argnums=0
T.fft.irfft(T.fft.rfft(x)) | n6
T.real(T.fft.fft(x)) | n5
T.stft(x, 4, return_complex=True, center=False, window=T.ones(4)).abs() | n8
"""
TABLES["torch.special"] = """
S.xlog1py(x, y) | n34 p34 | domain=[None, (-1, None)]
S.xlogy(x, y) | n34 p34 | domain=[None, (0, None)]
S.zeta(y, x) | p4 g4 | domain=[(0, None), None], argnums=0
S.gammainc(y, x) | p4 p4 | domain=(0, None), argnums=0
S.gammaincc(y, x) | p4 p4 | domain=(0, None), argnums=0
S.polygamma(2, x) | p5 | domain=(0, None)
S.multigammaln(x, 2) | g4 | domain=(0.5, None)
S.log_softmax(x, 1) | n34
S.softmax(x, 0) | n34
S.logsumexp(x, 1) | n34
"""
TABLES["torch.linalg"] = """
L.norm(x) | n34
L.vector_norm(x, 3) | n5
L.vector_norm(x, 1, dim=1) | n34
L.vector_norm(x, float('inf')) | n5
L.matrix_norm(x) | n34
L.matrix_norm(x, 'nuc') | n34
L.matrix_norm(x, 2) | n34
L.det(x) | n33
L.slogdet(x) | n44
L.inv(x) | n33
L.pinv(x) | n43
L.solve(x, y) | n33 n3
L.solve(x, y) | n33 n32
L.lstsq(x, y)[0] | n53 n52
L.solve_triangular(x, y, upper=False) | l33 n32
L.cholesky(x) | s33 | structure={'x': 'positive_definite'}
L.eigh(x)[0] | s44 | structure={'x': 'symmetric'}
L.eigvalsh(x) | s33 | structure={'x': 'symmetric'}
L.eigh(x)[1].abs() | s33 | structure={'x': 'symmetric'}
L.svdvals(x) | n34
L.svd(x, full_matrices=False)[0].abs() | n43
L.qr(x) | n43
L.lu(x)[1:] | n33
L.matrix_exp(x) | n33
L.matrix_power(x, 3) | n33
L.matrix_power(x, -2) | s33
L.multi_dot([x, y, z]) | n23 n34 n42
L.cond(x) | s33
L.cross(x, y) | n43 n43
L.vecdot(x, y) | n34 n34
L.vander(x) | n4
L.tensorsolve(x, y) | n236 n23
L.householder_product(x, y) | n43 n3
"""
COMPLEX = """
T.fft.fft(x) | n6
T.fft.fft(x) | c6
T.fft.ifft(x) | c5
T.fft.rfft(x) | n6
T.fft.irfft(x) | c4
T.fft.fft2(x) | c34
T.exp(x) | c34
T.sin(x) | c5
T.mul(x, y) | c34 c4
T.div(x, y) | c5 c5
T.conj(x).resolve_conj() | c34
T.real(x) | c34
T.abs(x) | c34
T.angle(x) | c5
T.matmul(x, y) | c34 c42
L.inv(x) | c33
L.det(x) | c33
L.solve(x, y) | c33 c3
T.view_as_real(x) | c5
T.view_as_complex(x) | n52
"""
