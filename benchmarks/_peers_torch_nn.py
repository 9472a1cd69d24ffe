"""What of torch.nn.functional is asked: F; T is torch."""

TABLE = """
F.relu(x) | n34
F.relu(x) | z34
F.relu6(x) | w34
F.elu(x) | n34
F.celu(x, 0.7) | n34
F.selu(x) | n34
F.gelu(x) | n34
F.gelu(x, approximate='tanh') | n34
F.silu(x) | n34
F.mish(x) | n34
F.softplus(x) | n34
F.softplus(x, beta=2) | w5
F.softsign(x) | n34
F.tanhshrink(x) | n34
F.softshrink(x) | n34
F.hardshrink(x) | n34
F.hardtanh(x) | n34
F.hardsigmoid(x) | n34
F.hardswish(x) | w34
F.leaky_relu(x) | n34
F.prelu(x, y) | n34 u
F.prelu(x, y) | n345 u4
F.threshold(x, 0.1, -1.0) | n34
F.logsigmoid(x) | w5
F.glu(x) | n34
F.softmax(x, 1) | n34
F.softmax(x, 1) | w34
F.log_softmax(x, 0) | n34
F.softmin(x, 1) | n34
F.normalize(x) | n34
F.linear(x, y, z) | n34 n24 n2
F.bilinear(x, y, z) | n43 n42 n532
F.embedding(y, x) | n53 k24
F.embedding_bag(y, x, mode='mean') | n53 k24
F.conv1d(x, y, z) | n126 n323 n3
F.conv2d(x, y, padding=1) | n1255 n3233
F.conv2d(x, y, stride=2, groups=2) | n1255 n4122
F.conv2d(x, y, dilation=2) | n1155 n2122
F.conv_transpose1d(x, y, stride=2) | n125 n233
F.conv_transpose2d(x, y) | n1233 n2322
F.conv3d(x, y) | n11333 n21222
F.unfold(x, 2) | n1244
F.fold(x, (3, 3), 2) | n144
F.avg_pool1d(x, 2) | n126
F.avg_pool2d(x, 2, padding=1) | n1244
F.max_pool1d(x, 2) | n126
F.max_pool2d(x, 2) | n1244
F.max_pool2d(x, 3, stride=1, padding=1) | n1144
F.lp_pool1d(x, 2.0, 2) | p126
F.adaptive_avg_pool1d(x, 3) | n127
F.adaptive_avg_pool2d(x, 2) | n1155
F.adaptive_max_pool1d(x, 3) | n127
F.batch_norm(x, None, None, y, z, training=True) | n63 n3 n3
F.batch_norm(x, y, z) | n63 n3 p3 | domain=[None, None, (0, None)], argnums=0
F.layer_norm(x, (4,), y, z) | n34 n4 n4
F.rms_norm(x, (4,), y) | n34 n4
F.group_norm(x, 2, y, z) | n343 n4 n4
F.instance_norm(x) | n236
F.local_response_norm(x, 3) | n244
F.pad(x, (1, 2)) | n34
F.pad(x, (1, 2), mode='reflect') | n234
F.pad(x, (1, 2), mode='replicate') | n234
F.pad(x, (1, 2), mode='circular') | n234
F.interpolate(x, scale_factor=2, mode='nearest') | n124
F.interpolate(x, size=7, mode='linear') | n124
F.interpolate(x, size=(5, 6), mode='bilinear', align_corners=True) | n1234
F.interpolate(x, size=(5, 6), mode='bicubic') | n1144
F.interpolate(x, size=(2, 2), mode='area') | n1144
F.grid_sample(x, y, align_corners=False) | n1233 a1222
F.affine_grid(x, (1, 1, 3, 3), align_corners=False) | n123
F.pixel_shuffle(x, 2) | n1422
F.pixel_unshuffle(x, 2) | n1144
F.cosine_similarity(x, y) | n34 n34
F.pairwise_distance(x, y) | n34 n34
F.pdist(x) | n43
F.mse_loss(x, y) | n34 n34
F.l1_loss(x, y) | n34 n34
F.smooth_l1_loss(x, y) | n34 n34
F.smooth_l1_loss(x, y, beta=0.5) | w5 n5
F.huber_loss(x, y, delta=0.7) | n34 n34
F.cross_entropy(x, y) | n34 k3
F.cross_entropy(x, y) | w34 k3
F.cross_entropy(x, y, label_smoothing=0.1) | n34 k3
F.cross_entropy(x, y, weight=T.tensor([1.0, 2.0, 0.5, 1.0], dtype=x.dtype)) | n34 k3
F.cross_entropy(x, y, ignore_index=1, reduction='sum') | n34 k3
F.cross_entropy(x, y) | n34 q34
F.nll_loss(x, y) | n34 k3
F.binary_cross_entropy(x, y) | u34 u34 | domain=(0, 1)
F.binary_cross_entropy_with_logits(x, y) | n34 u34
F.binary_cross_entropy_with_logits(x, y) | w34 u34
F.kl_div(x, y, reduction='batchmean') | n34 q34 | domain=[None, (0, None)]
F.poisson_nll_loss(x, y) | n34 p34
F.gaussian_nll_loss(x, y, z) | n34 n34 p34 | domain=[None, None, (1e-5, None)]
F.hinge_embedding_loss(x, T.tensor([1, -1, 1, -1], dtype=x.dtype)) | n34
F.soft_margin_loss(x, 2.0 * y - 1) | n34 b34
F.margin_ranking_loss(x, y, 2.0 * z - 1) | n5 n5 b5
F.multi_margin_loss(x, y) | n34 k3
F.multilabel_soft_margin_loss(x, y) | n34 u34
F.cosine_embedding_loss(x, y, T.tensor([1, -1, 1])) | n34 n34
F.triplet_margin_loss(x, y, z) | n34 n34 n34
F.ctc_loss(F.log_softmax(x, 2), T.tensor([[1, 2, 1], [3, 1, 2]]), T.tensor([6, 6]), T.tensor([3, 3])) | n624
F.scaled_dot_product_attention(x, y, z) | n1243 n1243 n1243
F.scaled_dot_product_attention(x, y, z, is_causal=True) | n1243 n1243 n1243
F.one_hot(y, 3) * x | n43 k4
"""
